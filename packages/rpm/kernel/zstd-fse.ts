/**
 * Finite-state entropy: probabilities that fit a table, their description, the table as an encoder needs it, and what it would cost.
 *
 * All in whole numbers, so that the same counts give the same table everywhere.
 *
 * Reference: RFC 8878, 4.1
 */

/** Symbols of one code, at most. */
export const MAX_SYMBOLS: usize = 64;
/** Counts of symbols, four bytes each, and probabilities of 2^log, two bytes each: −1 is one below one. */
export const COUNTS_BYTES: usize = MAX_SYMBOLS << 2;
export const SHARES_BYTES: usize = MAX_SYMBOLS << 1;
/** A table: for each symbol eight bytes (see `makeTable`), then next states of two bytes each. */
export const TABLE_BYTES: usize = (MAX_SYMBOLS << 3) + (512 << 1);

/** 256 times the binary logarithm of 0 to 512; two bytes each. */
const logarithms: usize = memory.data(2 * 513, 16);
/** The symbol of each state while a table is made; then where the next state of each symbol goes. */
const spread: usize = memory.data(512, 16);
const places: usize = memory.data(4 * 64, 16);

/** To be called once, before the others. */
export function prepareLogarithms(): void {
  for (let n: u32 = 1; n <= 512; n++) {
    const whole = 31 - clz(n);
    // The part behind the point, bit by bit: squaring doubles a logarithm.
    let fraction = u64(n) << (30 - whole);
    let result = whole;
    for (let bit = 0; bit < 8; bit++) {
      fraction = (fraction * fraction) >> 30;
      result <<= 1;
      if (fraction >> 31 !== 0) {
        fraction >>= 1;
        result |= 1;
      }
    }
    store<u16>(logarithms + (usize(n) << 1), u16(result));
  }
}

/** The size of table that suits so many symbols to be written, within 5 and `most`; it holds `distinct` of them. */
export function suitableLog(total: u32, distinct: u32, most: u32): u32 {
  // Finer shares than the counts tell nothing; a fourth of them is nearly as good and shorter to describe.
  const wanted = 31 - clz(total | 1) - 2;
  const needed = 32 - clz(distinct);
  return min(most, max(5, max(needed, i32(wanted) < 0 ? 0 : wanted)));
}

/**
 * Shares of 2^log for the counts of `symbols` symbols that add up to `total`; every count above zero gets one. There must be two at
 * least, and room for all.
 */
export function makeShares(counts: usize, symbols: usize, total: u32, log: u32, shares: usize): void {
  const size: u32 = 1 << log;
  let left = i32(size);
  let largest: usize = 0;
  let largestShare = 0;
  // 2^30 / total, so that products stay within 64 bits.
  const scale = (u64(1) << 40) / u64(total);
  for (let symbol: usize = 0; symbol < symbols; symbol++) {
    const count = load<u32>(counts + (symbol << 2));
    let share = 0;
    if (count !== 0) {
      const exact = u64(count) * scale;
      share = i32((exact + (u64(1) << (39 - log))) >> (40 - log));
      if (share === 0) {
        share = -1;
        left -= 1;
      } else {
        left -= share;
        if (share > largestShare) {
          largestShare = share;
          largest = symbol;
        }
      }
    }
    store<i16>(shares + (symbol << 1), i16(share));
  }
  if (left > 0 || -left < largestShare >> 1) {
    store<i16>(shares + (largest << 1), i16(largestShare + left));
    return;
  }
  // Many symbols that are rare: take from whatever has most, one by one.
  for (; left < 0; left++) {
    let most = 0;
    for (let symbol: usize = 0; symbol < symbols; symbol++) {
      const share = i32(load<i16>(shares + (symbol << 1)));
      if (share > most) {
        most = share;
        largest = symbol;
      }
    }
    store<i16>(shares + (largest << 1), i16(most - 1));
  }
}

/** What the counted symbols cost with these shares of 2^log, in 256ths of a bit; all ones where a symbol has none. */
export function costOf(counts: usize, symbols: usize, shares: usize, log: u32): u64 {
  let cost: u64 = 0;
  for (let symbol: usize = 0; symbol < symbols; symbol++) {
    const count = load<u32>(counts + (symbol << 2));
    if (count === 0) continue;
    const share = i32(load<i16>(shares + (symbol << 1)));
    if (share === 0) return u64.MAX_VALUE;
    const bits = (log << 8) - u32(load<u16>(logarithms + (usize(max(share, 1)) << 1)));
    cost += u64(count) * u64(bits);
  }
  return cost;
}

/** Writes the description of shares of 2^log that end with a symbol above zero; the place behind it. */
export function writeShares(shares: usize, log: u32, to: usize): usize {
  let word: u64 = log - 5;
  let bits: u32 = 4;
  let left: u32 = 1 << log;
  for (let symbol: usize = 0; left > 0; ) {
    const share = i32(load<i16>(shares + (symbol++ << 1)));
    // A value of 0 to left + 1, the small ones a bit shorter.
    const most = left + 1;
    const width = 32 - clz(most);
    const short: u32 = (1 << width) - 1 - most;
    const value = u32(share + 1);
    if (value < short) {
      word |= u64(value) << u64(bits);
      bits += width - 1;
    } else {
      word |= u64(value < 1 << (width - 1) ? value : value + short) << u64(bits);
      bits += width;
    }
    left -= u32(share < 0 ? 1 : share);
    if (share === 0) {
      let zeros: u32 = 0;
      while (load<i16>(shares + (symbol << 1)) === 0) {
        zeros++;
        symbol++;
      }
      for (; ; zeros -= 3) {
        word |= u64(min(zeros, 3)) << u64(bits);
        bits += 2;
        if (bits >= 32) {
          store<u32>(to, u32(word));
          to += 4;
          word >>= 32;
          bits -= 32;
        }
        if (zeros < 3) break;
      }
    }
    if (bits >= 32) {
      store<u32>(to, u32(word));
      to += 4;
      word >>= 32;
      bits -= 32;
    }
  }
  store<u64>(to, word);
  return to + usize((bits + 7) >> 3);
}

/**
 * Makes the encoder's table of shares of 2^log. A state is a number of 2^log to 2^(log + 1) − 1. To write a symbol, of which two
 * numbers are stored: add the first to the state, and the upper 16 bits say how many of its low bits to write; shift it by so many,
 * add the second, and there is the next state.
 */
export function makeTable(shares: usize, symbols: usize, log: u32, table: usize): void {
  const size: u32 = 1 << log;
  const states = table + (MAX_SYMBOLS << 3);
  let high = size - 1;
  let place: i32 = 0;
  for (let symbol: usize = 0; symbol < symbols; symbol++) {
    const share = i32(load<i16>(shares + (symbol << 1)));
    if (share === 0) continue;
    if (share < 0) store<u8>(spread + usize(high--), u8(symbol));
    const count = u32(max(share, 1));
    const width = log - (31 - clz(count));
    store<u32>(table + (symbol << 3), (width << 16) - (count << width));
    store<i32>(table + (symbol << 3), place - i32(count), 4);
    store<i32>(places + (symbol << 2), place);
    place += i32(count);
  }
  const step = (size >> 1) + (size >> 3) + 3;
  let position: u32 = 0;
  for (let symbol: usize = 0; symbol < symbols; symbol++) {
    for (let left = i32(load<i16>(shares + (symbol << 1))); left > 0; left--) {
      store<u8>(spread + usize(position), u8(symbol));
      do position = (position + step) & (size - 1);
      while (position > high);
    }
  }
  for (let state: u32 = 0; state < size; state++) {
    const symbol: usize = load<u8>(spread + usize(state));
    const at = load<u32>(places + (symbol << 2));
    store<u32>(places + (symbol << 2), at + 1);
    store<u16>(states + (usize(at) << 1), u16(size + state));
  }
}

/** A state to begin with, whose symbol is this one: the first of those from which the next one takes most bits. */
export function firstState(table: usize, symbol: usize): u32 {
  const first = load<u32>(table + (symbol << 3));
  const width = ((first >> 16) + 1) & 0xffff;
  const count = ((width << 16) - first) >> width;
  return load<u16>(table + (MAX_SYMBOLS << 3) + (usize(count + load<u32>(table + (symbol << 3), 4)) << 1));
}
