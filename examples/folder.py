"""Restore a folder with networks that are loaded once; a photo that cannot be read is skipped."""

from pathlib import Path

from restorecli import Options, Photo, RestoreError, Restorer

folder = Path(__file__).parent / "photos"
target = Path("folder")
target.mkdir(exist_ok=True)

restorer = Restorer.load()
options = Options(scale=1, relight="auto", fidelity=0.7)

for path in sorted(folder.iterdir()):
    try:
        photo = Photo.read(path)
    except RestoreError as error:
        print(f"skipped: {error}")
        continue
    restoration = restorer.restore(photo, options)
    restoration.photo.write(target / f"{path.stem}.png", overwrite=True)
    print(f"{path.name}: {len(restoration.faces)} faces, relit: {restoration.relit}")
