// The pictures of `video.mjpeg`, taken out of the bytes as they come: each part's headers say which record it is. Pure.

/** One picture. */
export interface Part {
  type: string;
  partition: number;
  offset: number;
  timestamp_ms: number;
  data: Uint8Array<ArrayBuffer>;
}

/** A part's headers are a few lines, and no record is longer. */
const maxHead_bytes = 4096;
const maxPicture_bytes = 128 << 20;

export class PartReader {
  private bytes = new Uint8Array(0);

  /** Takes what has come and gives the pictures that are whole; throws where it is no stream of pictures. */
  push(chunk: Uint8Array): Part[] {
    const bytes = new Uint8Array(this.bytes.length + chunk.length);
    bytes.set(this.bytes);
    bytes.set(chunk, this.bytes.length);
    this.bytes = bytes;
    const parts: Part[] = [];
    for (let part = this.next(); part; part = this.next()) parts.push(part);
    return parts;
  }

  private next(): Part | null {
    const { bytes } = this;
    const head_bytes = endOfHead(bytes);
    if (head_bytes < 0) {
      if (bytes.length > maxHead_bytes) throw new Error('a part without an end to its headers');
      return null;
    }
    const head = new TextDecoder().decode(bytes.subarray(0, head_bytes));
    const value = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'im').exec(head)?.[1]?.trim() ?? '';
    const len_bytes = Number(value('content-length') || Number.NaN);
    if (!(len_bytes >= 0 && len_bytes <= maxPicture_bytes)) throw new Error('a part without its length');
    const end = head_bytes + len_bytes;
    if (bytes.length < end) return null;
    const data = bytes.slice(head_bytes, end);
    this.bytes = bytes.slice(end);
    const [partition, offset, timestamp_ms] = ['weir-partition', 'weir-offset', 'weir-timestamp-ms'].map((name) => Number(value(name) || 0)) as [number, number, number];
    return { type: value('content-type'), partition, offset, timestamp_ms, data };
  }
}

/** Behind the empty line that ends the headers; -1 where it has not come. */
function endOfHead(bytes: Uint8Array): number {
  const until = Math.min(bytes.length, maxHead_bytes) - 3;
  // The line end behind the picture before stands in front of the boundary.
  for (let at = 2; at < until; at += 1) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
  }
  return -1;
}
