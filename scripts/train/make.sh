#!/bin/sh
# Makes the default model from nothing: assets, training, export, evaluation, photographs.
# Usage: make.sh FOLDER [MINUTES]   (Debian, Python with requirements.txt; a GPU, or much patience)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
minutes=${2:-27}
model="$here/../../models/codes"
mkdir -p "$folder/assets/fonts" "$folder/out"

"$here/fetch_backgrounds.sh" "$folder/sources"
(cd "$folder/sources/debs" && apt-get download fonts-dejavu-core fonts-liberation fonts-urw-base35)
for package in "$folder"/sources/debs/fonts-*.deb; do dpkg -x "$package" "$folder/sources/fonts"; done
for font in DejaVuSans.ttf DejaVuSans-Bold.ttf DejaVuSansMono.ttf DejaVuSerif.ttf LiberationSans-Regular.ttf LiberationSans-Bold.ttf \
    LiberationSansNarrow-Regular.ttf LiberationMono-Bold.ttf LiberationSerif-Italic.ttf URWGothic-Book.otf Z003-MediumItalic.otf; do
    find "$folder/sources/fonts" -name "$font" -type f -exec cp {} "$folder/assets/fonts/" \;
done

python3 "$here/symbols.py" --out "$folder/assets/symbols.npz" --seed 1
python3 "$here/backgrounds.py" --files "$folder/sources/files" --out "$folder/assets/backgrounds.npz"
python3 "$here/train.py" --assets "$folder/assets" --out "$folder/out" --minutes "$minutes" --seed 1
python3 "$here/export.py" --checkpoint "$folder/out/checkpoint.pt" --onnx "$model/codes.onnx" --assets "$folder/assets"
python3 "$here/failures.py" --onnx "$model/codes.onnx" --assets "$folder/assets" --out "$model/failures.jpg"
python3 "$here/photos.py" --files "$folder/sources/files" --fonts "$folder/assets/fonts" --out "$model/photos"
