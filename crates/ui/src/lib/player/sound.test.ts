// The sound buffer beside the pictures: when it waits, where it lays what comes, and what happens without it.

import { describe, expect, it, vi } from 'vitest';
import type { Header } from './header';
import type { PlayerEvent } from './socket';
import { rememberedVolume, rememberVolume, Sound } from './sound';

const mime = 'audio/mp4; codecs="opus"';
const init: PlayerEvent = { type: 'init', codec: 'opus', mime, width: 0, height: 0, sound: true };
const initBytes: PlayerEvent = { type: 'initBytes', sound: true, bytes: new Uint8Array([0]) };
const piece = (...bytes: number[]): PlayerEvent => ({
  type: 'fragment',
  header: { kind: 'fragment', sound: true, pts_us: 0 } as Header,
  bytes: new Uint8Array(bytes),
});

/** A source buffer that notes what is done to it. */
class Buffer extends EventTarget {
  updating = false;
  timestampOffset = 0;
  buffered = { length: 0, start: () => 0, end: () => 0 };
  readonly done: string[] = [];
  appendBuffer(bytes: Uint8Array): void {
    this.done.push(`${[...bytes].join('+')} at ${this.timestampOffset}`);
    this.updating = true;
  }
  changeType(to: string): void {
    this.done.push(to);
  }
  remove(from: number, to: number): void {
    this.done.push(`remove ${from} to ${to}`);
    this.updating = true;
  }
  finish(): void {
    this.updating = false;
    this.dispatchEvent(new Event('updateend'));
  }
}

function open(sound: Sound): Buffer {
  const buffer = new Buffer();
  sound.open({ addSourceBuffer: () => buffer } as unknown as MediaSource);
  return buffer;
}

describe('sound', () => {
  it('waits until it is known where the pictures of its connection belong', () => {
    const sound = new Sound(true, vi.fn(), () => 0, () => true);
    sound.opened();
    for (const event of [init, initBytes, piece(1), piece(2)]) expect(sound.receive(event)).toBe(true);
    const buffer = open(sound);
    sound.pump();
    buffer.finish();
    expect(buffer.done).toEqual(['0 at 0']);
    sound.place(5);
    sound.pump();
    expect(buffer.done).toEqual(['0 at 0', '1+2 at 5']);
    buffer.finish();
    // Another connection, on a line of its own: what has come of it waits for its pictures.
    sound.receive(piece(3));
    sound.opened();
    sound.receive(piece(4));
    sound.pump();
    buffer.finish();
    expect(buffer.done.slice(2)).toEqual(['3 at 5']);
    sound.place(7);
    sound.pump();
    expect(buffer.done.slice(3)).toEqual(['4 at 7']);
  });

  it('keeps pictures waiting for a second, where the topic has sound, and for none that this browser cannot play', () => {
    let now_ms = 0;
    expect(new Sound(false, vi.fn(), () => now_ms, () => true).isAwaited).toBe(false);
    const sound = new Sound(true, vi.fn(), () => now_ms, () => true);
    expect(sound.isAwaited).toBe(true);
    now_ms = 1001;
    expect(sound.isAwaited).toBe(false);
    const strange = new Sound(true, vi.fn(), () => now_ms, () => false);
    expect(strange.isAwaited).toBe(true);
    strange.receive(init);
    strange.receive(initBytes);
    expect([strange.isAwaited, strange.cameLate]).toEqual([false, false]);
    strange.pump();
    expect([strange.isPlaying, strange.cameLate]).toEqual([false, false]);
  });

  it('that comes when the pictures have begun has them begin anew, once', () => {
    const sound = new Sound(true, vi.fn(), () => 0, () => true);
    sound.pump(true);
    expect(sound.cameLate).toBe(false);
    sound.receive(init);
    sound.receive(initBytes);
    sound.pump(false);
    expect(sound.cameLate).toBe(false);
    sound.pump(true);
    expect(sound.cameLate).toBe(true);
    sound.close();
    open(sound);
    sound.pump(true);
    expect([sound.cameLate, sound.isPlaying]).toEqual([false, true]);
  });

  it('leaves everything that is none of its', () => {
    const sound = new Sound(true, vi.fn(), () => 0, () => true);
    expect(sound.receive({ type: 'live' })).toBe(false);
    expect(sound.receive({ ...init, sound: false } as PlayerEvent)).toBe(false);
    expect(sound.receive({ type: 'initBytes', sound: false, bytes: new Uint8Array() })).toBe(false);
  });

  it('forgets what lies before a time, in the buffer too', () => {
    const sound = new Sound(true, vi.fn(), () => 0, () => true);
    sound.receive(init);
    sound.receive(initBytes);
    const buffer = open(sound);
    sound.pump();
    buffer.finish();
    buffer.buffered = { length: 1, start: () => 1, end: () => 90 };
    expect(sound.end_s).toBe(90);
    sound.dropBefore(30);
    expect(buffer.done.at(-1)).toBe('remove 0 to 30');
  });

  it('is as loud as it was the last time', () => {
    const kept = new Map<string, string>();
    const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) };
    expect(rememberedVolume(storage)).toBe(1);
    rememberVolume(0.4, storage);
    rememberVolume(0, storage);
    expect(rememberedVolume(storage)).toBe(0.4);
    kept.set('weir-volume', 'loud');
    expect(rememberedVolume(storage)).toBe(1);
  });
});
