#!/usr/bin/env bash
# The commands the shipped weights were made with, in order. Every run can be stopped and called again: it goes on.
#   PHOTOS=folder-of-photos [DEVICE=cuda] [WORKERS=14] make train
# PHOTOS holds the photos in any tree, and faces.json with the faces of each (docs/training.md says how it looks).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${PHOTOS:?name the folder of clean photos, as in PHOTOS=photos make train}"
DEVICE=${DEVICE:-cpu}
WORKERS=${WORKERS:-1}
PYTHON=${BIN:-.venv/bin}/python
RECIPES=training/recipes

train() {  # RECIPE [option ...]
  local name=$1
  shift
  "$PYTHON" -m training.train "$RECIPES/$name.toml" --photos "$PHOTOS" --out "runs/$name" --device "$DEVICE" "$@"
}

ship() {  # RECIPE [option ...]
  "$PYTHON" -m training.export "runs/$1" "${@:2}"
}

# the denoiser
train denoiser/1-first
train denoiser/2-longer --start runs/denoiser/1-first
train denoiser/3-structure --start runs/denoiser/2-longer
train denoiser/4-more --start runs/denoiser/3-structure
ship denoiser/4-more

# relight
train relighter/1-first
ship relighter/1-first

# finding faces
train retinaface/1-first --faces "$PHOTOS/faces.json"
train retinaface/2-denoised --faces "$PHOTOS/faces.json" --start runs/retinaface/1-first --denoiser weights
train retinaface/3-longer --faces "$PHOTOS/faces.json" --start runs/retinaface/2-denoised --denoiser weights
ship retinaface/3-longer
train face_refiner/1-first --faces "$PHOTOS/faces.json" --denoiser weights
ship face_refiner/1-first

# refine; it began as the second look of an earlier face pair, whose recipes are in the history
train second_look/1-first --denoiser weights --start weights
ship second_look/1-first

# photos as they really come: scenes, drawn pages and cloth, presses; and whether there is anything to restore
"$PYTHON" -m training.drawn "$PHOTOS/drawn" --count 1600 --photos "$PHOTOS"
train denoiser/5-scenes --start weights
ship denoiser/5-scenes
train second_look/2-scenes --denoiser weights --start weights
ship second_look/2-scenes
train inspector/1-first
train inspector/2-longer --start runs/inspector/1-first
train inspector/5-mixed --start runs/inspector/2-longer # was stopped after 1,800 steps
train inspector/6-doubt --start runs/inspector/5-mixed
train inspector/7-presses --start runs/inspector/6-doubt
ship inspector/7-presses

# the same, longer; brightness that has seen scenes
train denoiser/6-patience --start weights # was stopped after 4,500 steps
cp -r runs/denoiser/6-patience runs/denoiser/6-patience-cool
train denoiser/6-patience-cool --start weights
ship denoiser/6-patience-cool
train second_look/3-patience --denoiser weights --start weights
ship second_look/3-patience
train denoiser/7-strong --start weights # was stopped after 2,000 steps
cp -r runs/denoiser/7-strong runs/denoiser/7-strong-cool
train denoiser/7-strong-cool --start weights
train second_look/4-strong --denoiser runs/denoiser/7-strong-cool --start weights
ship denoiser/7-strong-cool --keep 0.35
ship second_look/4-strong
train relighter/2-scenes --start weights
ship relighter/2-scenes

# enlarging anew
train orsnet/7-half-size --denoiser weights
train orsnet/8-longer --denoiser weights --start runs/orsnet/7-half-size # was stopped after 1,200 steps
ship orsnet/8-longer

# on a GPU, from a stream of samples; docs/training.md says how many workers
stream() {  # RECIPE [option ...]
  train "$@" --workers "$WORKERS"
}

stream denoiser/9-stream --start weights
cp -r runs/denoiser/9-stream runs/denoiser/9-stream-cool
stream denoiser/9-stream-cool --start weights
stream second_look/5-stream --denoiser runs/denoiser/9-stream-cool --start weights
ship denoiser/9-stream-cool
ship second_look/5-stream
train residual_inspector/1-first --denoiser weights # was stopped after 1,000 steps
train residual_inspector/2-fresh --denoiser weights --start runs/residual_inspector/1-first
ship residual_inspector/2-fresh
stream orsnet/9-deeper --denoiser weights --start weights
ship orsnet/9-deeper
train orsnet/10-longer --denoiser weights --start runs/orsnet/9-deeper
train orsnet/11-unworn --denoiser weights --start runs/orsnet/10-longer
ship orsnet/11-unworn --keep 0.7
train orsnet/12-both-looks --denoiser weights --start weights
ship orsnet/12-both-looks
train orsnet/13-structure --denoiser weights --start weights
ship orsnet/13-structure --keep 0.5

# faces: clean ones alone, then the pair
train face_prior/1-first --faces "$PHOTOS/faces.json" # was stopped after 1,250 steps
train embedder/1-first --faces "$PHOTOS/faces.json"
train embedder/2-longer --faces "$PHOTOS/faces.json" --start runs/embedder/1-first
train embedder/3-measure --faces "$PHOTOS/faces.json" # no network learns with this one
train face_vae/1-first --faces "$PHOTOS/faces.json" --denoiser weights --prior runs/face_prior/1-first --embedder runs/embedder/2-longer
ship face_vae/1-first
# face_vae/2-large goes on from there (--start weights); it is not shipped
train face_prior/2-from-pair --faces "$PHOTOS/faces.json" --start weights
train face_vae/4-structure --faces "$PHOTOS/faces.json" --denoiser weights --start weights --prior runs/face_prior/2-from-pair --embedder runs/embedder/2-longer
train face_vae/5-person --faces "$PHOTOS/faces.json" --denoiser weights --prior runs/face_prior/2-from-pair --embedder runs/embedder/2-longer --start weights
ship face_vae/5-person
train face_vae/6-alone --faces "$PHOTOS/faces.json" --denoiser weights --prior runs/face_prior/2-from-pair --embedder runs/embedder/2-longer --start runs/face_vae/4-structure
train face_vae/7-over --faces "$PHOTOS/faces.json" --denoiser weights --prior runs/face_prior/2-from-pair --embedder runs/embedder/2-longer --start runs/face_vae/5-person --first runs/face_vae/6-alone
train face_vae/8-together --faces "$PHOTOS/faces.json" --denoiser weights --prior runs/face_prior/2-from-pair --embedder runs/embedder/2-longer --start runs/face_vae/7-over
ship face_vae/8-together

# the second opinion on, with more drawn cloth, walls and grilles, which no other run has seen
first=1600
for kind in checked striped clothing tiles bricks grille blinds curtain facade fence hexagons graph; do
  "$PYTHON" -m training.drawn "$PHOTOS/drawn" --kind "$kind" --first "$first" --count 120 --photos "$PHOTOS"
  first=$((first + 120))
done
train residual_inspector/3-textures --denoiser weights --start weights
ship residual_inspector/3-textures --keep 0.3

# both looks at once, from the mean of the shipped step 1 and one that learnt longer
train denoiser/15-wider-windows-longer --start weights
cp -r weights runs/mean
ship denoiser/15-wider-windows-longer --weights runs/mean --keep 0.5
train both_looks/1-together --denoiser runs/mean
ship both_looks/1-together --name denoiser --keep 0.5
ship both_looks/1-together --name second_look --keep 0.5

# how far step 1's change of tone is to be believed
train tone_inspector/1-first --denoiser weights # its bounds, 0.1 and 0.2, were others
train tone_inspector/2-more --denoiser weights
ship tone_inspector/2-more
