/** What the groups' sensitivity is measured on: images of the training split, without their labels. */
export interface SensitivitySettings {
  readonly dataPath: string;
  readonly images: number;
}
