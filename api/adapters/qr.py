"""QR codes by segno, as SVG that stands in a page by itself."""

import io

import segno


def svg(text: str) -> str:
    """A QR code of `text` (medium error correction), black on white with the quiet zone that scanners need."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", scale=4, border=4, light="white", xmldecl=False)
    return out.getvalue().decode("utf-8").strip()
