/** Gives out names once: the first asker gets `name`, the next ones `name_1`, `name_2`, … */
export class UniqueNames {
  private readonly taken = new Set<string>();
  private readonly next = new Map<string, number>();

  take(name: string): string {
    let unique = name;
    for (let count = this.next.get(name) ?? 1; this.taken.has(unique); count++) {
      unique = `${name}_${count}`;
      this.next.set(name, count + 1);
    }
    this.taken.add(unique);
    return unique;
  }
}

/** `name` in the alphabet of TensorFlow's node names. */
export function nodeName(name: string): string {
  return name.replace(/[^A-Za-z0-9_.\-/]/g, '_').replace(/^[^A-Za-z0-9.]/, 'n$&');
}
