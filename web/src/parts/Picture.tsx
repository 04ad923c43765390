import type { JSX } from "preact";

/** A QR code that the API drew, as an image: text of an answer never becomes part of the page. */
export function Picture({ svg, alt }: { readonly svg: string; readonly alt: string }): JSX.Element {
  return <img class="qr" src={`data:image/svg+xml,${encodeURIComponent(svg)}`} alt={alt} width="240" height="240" />;
}
