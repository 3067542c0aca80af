#!/usr/bin/env bash
# The commands the shipped weights were made with, in order. Every run can be stopped and called again: it goes on.
#   PHOTOS=folder-of-photos [DEVICE=cuda] make train
# PHOTOS holds the photos in any tree, and faces.json with the faces of each (docs/training.md says how it looks).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${PHOTOS:?name the folder of clean photos, as in PHOTOS=photos make train}"
DEVICE=${DEVICE:-cpu}
PYTHON=${BIN:-.venv/bin}/python
RECIPES=training/recipes

train() {  # NAME [option ...]
  local name=$1
  shift
  "$PYTHON" -m training.train "$RECIPES/$name.toml" --photos "$PHOTOS" --out "runs/$name" --device "$DEVICE" "$@"
}

ship() {  # NAME [option ...]
  "$PYTHON" -m training.export "runs/$1" "${@:2}"
}

# step 1, then ORSNet on top of it
train denoiser
train denoiser_longer --start runs/denoiser
train denoiser_structure --start runs/denoiser_longer
train denoiser_more --start runs/denoiser_structure
ship denoiser_more
train orsnet --denoiser runs/denoiser
train orsnet_longer --denoiser runs/denoiser_longer --start runs/orsnet
train orsnet_scales --denoiser runs/denoiser_structure --start runs/orsnet_longer
train orsnet_sharp --denoiser weights --start runs/orsnet_scales
ship orsnet_sharp --zero heads.1. # at x1 it loses what step 1 had

# step 1½
train relighter
ship relighter

# step 2: the detector, then the face pair on crops as step 1 leaves them
train retinaface --faces "$PHOTOS/faces.json"
train retinaface_denoised --faces "$PHOTOS/faces.json" --start runs/retinaface --denoiser weights
train retinaface_longer --faces "$PHOTOS/faces.json" --start runs/retinaface_denoised --denoiser weights
ship retinaface_longer
train face_refiner --faces "$PHOTOS/faces.json" --denoiser weights
ship face_refiner

crops() {  # FOLDER [option ...]
  local folder=$1
  shift
  "$PYTHON" -m training.face_crops --photos "$PHOTOS" --faces "$PHOTOS/faces.json" --out "runs/$folder" --device "$DEVICE" "$@"
}

stage() {  # NAME CROPS
  "$PYTHON" -m training.train_face_vae "$RECIPES/$1.toml" --crops "runs/$2" --start runs --denoiser weights --out "runs/$1" --device "$DEVICE"
  cp "runs/$1/"*.safetensors runs/
}

crops faint --parts 3 --size 400 # faintly degraded: the VAEs learn faces from them, whatever step 1 can do
crops faint --part held-out --parts 1 --size 40 --weights weights
crops crops --parts 25 --size 200 --weights weights # as step 1 leaves them
crops crops --part held-out --parts 1 --size 100 --weights weights
stage face_vae_common faint
stage face_vae_autoencode faint
stage face_vae_map crops
stage face_vae crops
stage face_vae_sharp crops
stage face_vae_native crops
ship face_vae_native

# step 3 at x1, begun from the face pair's second look
train second_look --denoiser weights --start weights
ship second_look
