// How large the letters are: kept on this device, for it is the screen that differs.
export type Size = '16' | '18' | '20' | '22';

const name = 'colporteur:size';

class Look {
  size = $state<Size>((localStorage.getItem(name) as Size | null) ?? '16');

  /** Takes effect at once; rem is what everything is measured in. */
  apply(): void { document.documentElement.style.fontSize = `${(Number(this.size) / 16) * 100}%`; }

  choose(size: Size): void {
    this.size = size;
    localStorage.setItem(name, size);
    this.apply();
  }
}

export const look = new Look();
