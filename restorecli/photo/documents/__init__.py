"""What a file holds beside its pixels: EXIF, XMP, IPTC, texts, and words about colours."""
