/** The picture that every service gets. */
import { loadSharp } from "../native/sharp.ts";

/** A 1280x720 baseline JPEG, quality 90, 4:2:0, made from any picture, cropped to fit. */
export async function photo720p(bytes: Uint8Array): Promise<Uint8Array> {
  const sharp = await loadSharp();
  return await sharp(bytes).rotate().resize(1280, 720, { fit: "cover" })
    .jpeg({ quality: 90, chromaSubsampling: "4:2:0", progressive: false }).toBuffer();
}
