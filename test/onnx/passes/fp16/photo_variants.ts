/** Pictures made of the bundled photos, the same in every run. */
import { loadSharp } from "../../../../src/native/sharp.ts";

const PHOTOS = new URL("../../../../models/codes/photos/", import.meta.url);

/** The bundled photos as files, by name. */
export async function bundledPhotos(): Promise<Uint8Array[]> {
  const names = [...Deno.readDirSync(PHOTOS)].map(({ name }) => name).filter((name) => name.endsWith(".jpg")).sort();
  return await Promise.all(names.map((name) => Deno.readFile(new URL(name, PHOTOS))));
}

/** Fractions in 0..1; Numerical Recipes' generator. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * A part of a photo, scaled, turned, sheared, mirrored, brightened and blurred, in every third picture with a part of
 * another photo in a corner.
 * @param seed of this picture alone
 * @returns a JPEG file
 */
export async function photoVariant(photos: readonly Uint8Array[], seed: number): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const random = randomFrom(seed);
  for (let skip = 0; skip < 4; skip++) random();
  const between = (low: number, high: number) => low + (high - low) * random();
  const part = async (shareMin: number, side: number) => {
    const photo = photos[Math.floor(random() * photos.length)]!;
    const { width, height } = await sharp(photo).metadata();
    const share = between(shareMin, 1);
    const [w, h] = [Math.round(width * share), Math.round(height * share)];
    const left = Math.floor(random() * (width - w + 1)), top = Math.floor(random() * (height - h + 1));
    return await sharp(photo).extract({ left, top, width: w, height: h }).resize(side, side, { fit: "inside" })
      .raw().toBuffer({ resolveWithObject: true });
  };
  const base = await part(0.4, Math.round(between(320, 1280)));
  const turn = between(-20, 20) * Math.PI / 180, shear = between(-0.15, 0.15);
  const matrix = [Math.cos(turn), -Math.sin(turn) + shear, Math.sin(turn), Math.cos(turn)] as const;
  const { width, height, channels } = base.info;
  let picture = sharp(base.data, { raw: { width, height, channels } });
  if (seed % 3 === 0) {
    const { data, info } = await part(0.3, Math.floor(Math.min(width, height) / 2));
    picture = picture.composite([{ input: data, raw: info, left: 0, top: 0 }]);
  }
  const flat = await picture.raw().toBuffer();
  picture = sharp(flat, { raw: { width, height, channels } })
    .affine([[matrix[0], matrix[1]], [matrix[2], matrix[3]]], { background: { r: 114, g: 114, b: 114 } })
    .modulate({ brightness: between(0.6, 1.4), saturation: between(0.5, 1.3) });
  if (random() < 0.3) picture = picture.flop();
  if (random() < 0.3) picture = picture.blur(between(0.4, 1.2));
  return new Uint8Array(await picture.jpeg({ quality: 92 }).toBuffer());
}
