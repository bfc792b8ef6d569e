// How large the letters are: kept on this device, for it is the screen that differs.
// In a cookie, for signing out empties the browser's other stores.
export type Size = '16' | '18' | '20' | '22';

const was = /(?:^|; )size=(16|18|20|22)(?:;|$)/.exec(document.cookie)?.[1] as Size | undefined;

class Look {
  size = $state<Size>(was ?? '16');

  /** How much larger than usual. */
  get times(): number { return Number(this.size) / 16; }

  /** Takes effect at once; rem is what everything is measured in. */
  apply(): void { document.documentElement.style.fontSize = `${this.times * 100}%`; }

  choose(size: Size): void {
    this.size = size;
    document.cookie = `size=${size}; path=/mail; max-age=31536000; samesite=lax`;
    this.apply();
  }
}

export const look = new Look();
