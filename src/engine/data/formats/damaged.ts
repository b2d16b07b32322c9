/** A file that is of a known format but does not hold to it, or uses a part of it that is not read; the message is a reason. */
export class DamagedImageError extends Error {
  override readonly name = 'DamagedImageError';
}
