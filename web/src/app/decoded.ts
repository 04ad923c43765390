/** An address that somebody cut short or mistyped is no reason to stop: it is taken as it stands. */
export function decoded(piece: string): string {
  try {
    return decodeURIComponent(piece);
  } catch {
    return piece;
  }
}
