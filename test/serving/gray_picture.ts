/** A picture in which there is nothing. */

/** PNG, 16x16, 8-bit gray, every pixel 114 (the letterbox's padding). Made with zlib and the PNG chunk layout. */
const PNG_BASE64 = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAAD0lEQVR42mMoQgMMI1sAAJSUcgFbSrsNAAAAAElFTkSuQmCC";

/** A new copy of the picture's bytes. */
export function grayPicture(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(PNG_BASE64), (char) => char.charCodeAt(0));
}
