"""The guest's screen as text: from VGA text memory, by its glyphs, or by OCR as the fallback.

This package knows no machine. The screen is untrusted: pictures are bounded before they are
decoded, and the text has no control characters.
"""
