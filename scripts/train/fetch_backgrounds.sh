#!/bin/sh
# Downloads and unpacks the Debian packages whose photographs, textures and screenshots stand behind the codes.
# Usage: fetch_backgrounds.sh FOLDER   (needs apt lists; installs nothing)
set -eu
folder=$1
packages="plasma-workspace-wallpapers gnome-backgrounds mate-backgrounds ukui-wallpapers lomiri-wallpapers-16.04
lomiri-wallpapers-20.04 propaganda-debian desktop-base lxqt-themes sway-backgrounds opencv-doc python3-skimage
python3-sklearn gcompris-qt-data gimp-help-en gnome-user-docs hugin-data ufoai-textures torcs-data supertuxkart-data
tuxpaint-stamps-default wordpress-theme-twentytwentyone wordpress-theme-twentytwentytwo wordpress-theme-twentytwentythree"
mkdir -p "$folder/debs"
(cd "$folder/debs" && apt-get download $packages)
for package in "$folder"/debs/*.deb; do
    name=$(basename "$package" | cut -d_ -f1)
    mkdir -p "$folder/files/$name"
    dpkg -x "$package" "$folder/files/$name"
done
cd "$folder/files/ufoai-textures" && unzip -q -o usr/share/games/ufoai/base/0textures.pk3 -d unpacked
