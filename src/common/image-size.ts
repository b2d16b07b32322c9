/** How large an image is made before a square of it is cut out. */

/** Images this small are data sets of their own (CIFAR): they are neither enlarged before a crop nor cropped by area. */
export const SMALL_INPUT = 64;

/** Length of the shorter side before a crop of `side` pixels: side / 0.875 as timm rounds it (256 for 224), the side itself for small inputs. */
export const usualResize = (side: number): number => (side <= SMALL_INPUT ? side : Math.floor(side / 0.875));
