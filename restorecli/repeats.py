"""Counting the tiles that came out broken and were computed again, so that it is said."""

from torch import Tensor

from restorecli.tiling.tiles import TileFunction


class Repeats:
    """The count of one photo."""

    def __init__(self, precision: str) -> None:
        """Begin at none; `precision` is the name of what tiles are computed in at first."""
        self._precision, self._count = precision, 0

    def counted(self, retry: TileFunction) -> TileFunction:
        """The same function, noting each call."""

        def again(*tiles: Tensor) -> Tensor:
            self._count += 1
            return retry(*tiles)

        return again

    def notices(self) -> tuple[str, ...]:
        """A sentence, if there is something to say."""
        if not self._count:
            return ()
        which = "a tile" if self._count == 1 else f"{self._count} tiles"
        why = f"not finite or of one flat colour in {self._precision}"
        return (f"{which} came out {why} and had to be computed again in fp32",)
