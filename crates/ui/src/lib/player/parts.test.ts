// The pictures taken out of a multipart stream: the same however the bytes are cut, and nothing taken on trust.
import { describe, expect, it } from 'vitest';
import { PartReader, type Part } from './parts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const head = (len: number, offset: number): string =>
  `--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${len}\r\nWeir-Partition: 2\r\nWeir-Offset: ${offset}\r\nWeir-Timestamp-Ms: ${1000 + offset}\r\n\r\n`;
/** A picture whose bytes look like the stream around them. */
const trap = '\r\n--frame\r\n\r\n';
const stream = bytes(`${head(3, 7)}one\r\n${head(trap.length, 8)}${trap}\r\n${head(0, 9)}\r\n--frame\r\n`);

describe('the parts of video.mjpeg', () => {
  it.each([1, 2, 3, 7, 64, 10_000])('are the same however the bytes come: %i at a time', (size) => {
    const reader = new PartReader();
    const parts: Part[] = [];
    for (let at = 0; at < stream.length; at += size) parts.push(...reader.push(stream.slice(at, at + size)));
    expect(parts.map(({ data }) => new TextDecoder().decode(data))).toEqual(['one', trap, '']);
    expect(parts.map(({ partition, offset, timestamp_ms, type }) => [partition, offset, timestamp_ms, type])).toEqual([
      [2, 7, 1007, 'image/jpeg'],
      [2, 8, 1008, 'image/jpeg'],
      [2, 9, 1009, 'image/jpeg'],
    ]);
  });

  it('without a length, with one that cannot be, or without an end to their headers are refused', () => {
    for (const text of ['--frame\r\nContent-Type: image/jpeg\r\n\r\n', head(1e12, 1), head(-1, 1), 'x'.repeat(5000)]) {
      expect(() => new PartReader().push(bytes(text))).toThrow();
    }
  });
});
