// The 32 bytes in front of every binary message of the player's socket, big-endian (`FragmentHeader` in crates/web/src/api/live.rs).

import { FragmentHeader } from '../api';

export interface Header {
  kind: 'init' | 'fragment';
  key: boolean;
  /** Sent only so that what follows can be decoded; in front of the position asked for. */
  preroll: boolean;
  /** Sound, not a picture. */
  sound: boolean;
  partition: number;
  duration_us: number;
  offset: number;
  /** When the picture was captured. */
  timestamp_ms: number;
  /** Its place in the fragments' own time line. */
  pts_us: number;
}

/** Reads the header; null where the message is too short or of a kind this page does not know. */
export function parseHeader(message: ArrayBuffer): Header | null {
  if (message.byteLength < FragmentHeader.lenBytes) return null;
  const view = new DataView(message);
  const kind = view.getUint8(0);
  if (kind !== FragmentHeader.init && kind !== FragmentHeader.fragment) return null;
  const flags = view.getUint8(1);
  return {
    kind: kind === FragmentHeader.init ? 'init' : 'fragment',
    key: (flags & FragmentHeader.keyFlag) !== 0,
    preroll: (flags & FragmentHeader.prerollFlag) !== 0,
    sound: (flags & FragmentHeader.soundFlag) !== 0,
    partition: view.getUint16(2),
    duration_us: view.getUint32(4),
    offset: Number(view.getBigInt64(8)),
    timestamp_ms: Number(view.getBigInt64(16)),
    pts_us: Number(view.getBigInt64(24)),
  };
}

/** The fragment behind the header, without copying it. */
export const payload = (message: ArrayBuffer): Uint8Array<ArrayBuffer> => new Uint8Array(message, FragmentHeader.lenBytes);
