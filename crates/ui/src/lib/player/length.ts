// A picture's length inside its fragment: `moof` with one `trun` of one sample, as the server writes it (ISO/IEC 14496-12 §8.8).
// The server must guess it, for it sends a picture before the next is there. Here it is set to what it turned out to be: a source
// buffer takes a gap of more than two lengths for a break in the video, and throws everything away up to the next key frame (Media
// Source Extensions, "coded frame processing"); and a picture that is said to last too long hides those behind it.

const tfdt = 0x74666474;
const trun = 0x7472756e;
/** The boxes in front of the picture take no more. */
const head = 256;

/** When it is to be decoded, in the fragment's own units; null where that is not to be found. */
export function decodeTime(fragment: Uint8Array): number | null {
  const view = new DataView(fragment.buffer, fragment.byteOffset, fragment.byteLength);
  const at = boxAt(view, tfdt);
  // version and flags, then a time of 64 bits in version 1
  if (at === null || at + 16 > view.byteLength || view.getUint8(at + 4) !== 1) return null;
  return Number(view.getBigUint64(at + 8));
}

/** Sets how long the picture is shown; false where there is no place for that. */
export function setLength(fragment: Uint8Array, length: number): boolean {
  const view = new DataView(fragment.buffer, fragment.byteOffset, fragment.byteLength);
  const at = boxAt(view, trun);
  if (at === null || at + 20 > view.byteLength || length <= 0 || length > 0xffff_ffff) return false;
  // version and flags: a data offset and a duration a sample must be there; then the count, the offset, the duration
  const flags = view.getUint32(at + 4) & 0xff_ffff;
  if ((flags & 0x105) !== 0x101 || view.getUint32(at + 8) !== 1) return false;
  view.setUint32(at + 16, length);
  return true;
}

/** Where a box's name stands among the first ones. */
function boxAt(view: DataView, name: number): number | null {
  const end = Math.min(view.byteLength, head) - 4;
  for (let at = 4; at <= end; at += 1) if (view.getUint32(at) === name) return at;
  return null;
}
