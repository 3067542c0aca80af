"""Photos: their pixels and everything that belongs to them, read from files and written to them."""

from restorecli.photo.formats import READABLE, WRITABLE
from restorecli.photo.metadata import Metadata
from restorecli.photo.photo import Photo

__all__ = ["READABLE", "WRITABLE", "Metadata", "Photo"]
