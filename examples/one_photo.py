"""Restore one photo at twice its size, and say what was done to each face in it."""

from pathlib import Path

from restorecli import Photo, Restorer

degraded = Path(__file__).parent / "pairs" / "degraded" / "portrait-5.jpg"

restorer = Restorer.load(device="auto")
restoration = restorer.restore(Photo.read(degraded))
restoration.photo.write("one_photo.png", overwrite=True)

print(f"one_photo.png: {restoration.photo.width} × {restoration.photo.height} px")
print(f"{restoration.seconds:.2f} s on {restoration.device} in {restoration.precision}")
for face in restoration.faces:
    print(f"face at {[round(edge) for edge in face.box]}: {face.status}, moved {face.moved:.3f}")
