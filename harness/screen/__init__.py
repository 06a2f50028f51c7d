"""The guest's screen as text: from VGA text memory, by its glyphs, or as a last resort by OCR.

Nothing here knows a machine. What is on the screen is a stranger's: pictures are bounded before
they are decoded, and what is read is text without control characters.
"""
