package picture

import (
	"image"
	"math"
)

// hashSide is how large a picture is at most that Hash looks at.
const hashSide = 100

// Hash is a picture in about 25 bytes: its colours in soft strokes, which a page
// shows while the picture is on its way. The format is ThumbHash
// (https://evanw.github.io/thumbhash/): a discrete cosine transform of
// luminance and two colour differences, of which the first terms are kept in
// four bits each.
func Hash(img image.Image) []byte {
	small := fit(img, hashSide)
	w, h := small.Bounds().Dx(), small.Bounds().Dy()
	l, p, q := make([]float64, w*h), make([]float64, w*h), make([]float64, w*h)
	for i := range l {
		r, g, b := float64(small.Pix[4*i])/255, float64(small.Pix[4*i+1])/255, float64(small.Pix[4*i+2])/255
		l[i], p[i], q[i] = (r+g+b)/3, (r+g)/2-b, r-g
	}
	most := float64(max(w, h))
	lx, ly := max(1, int(math.Round(7*float64(w)/most))), max(1, int(math.Round(7*float64(h)/most)))
	lt, pt, qt := transform(l, w, h, max(3, lx), max(3, ly)), transform(p, w, h, 3, 3), transform(q, w, h, 3, 3)

	landscape, longer := 0, lx
	if w > h {
		landscape, longer = 1, ly
	}
	head := bits(63*lt.mean) | bits(31.5+31.5*pt.mean)<<6 | bits(31.5+31.5*qt.mean)<<12 | bits(31*lt.scale)<<18
	tail := longer | bits(63*pt.scale)<<3 | bits(63*qt.scale)<<9 | landscape<<15
	out := []byte{byte(head), byte(head >> 8), byte(head >> 16), byte(tail), byte(tail >> 8)}
	n := 0
	for _, t := range []terms{lt, pt, qt} {
		for _, f := range t.rest {
			if n%2 == 0 {
				out = append(out, 0)
			}
			out[len(out)-1] |= byte(bits(15*f)) << (4 * (n % 2))
			n++
		}
	}
	return out
}

func bits(f float64) int { return int(math.Round(f)) }

// terms are the first of a transform: the mean, and the rest scaled to 0 … 1.
type terms struct {
	mean, scale float64
	rest        []float64
}

func transform(channel []float64, w, h, nx, ny int) (t terms) {
	fx := make([]float64, w)
	for cy := range ny {
		for cx := 0; cx*ny < nx*(ny-cy); cx++ {
			for x := range fx {
				fx[x] = math.Cos(math.Pi / float64(w) * float64(cx) * (float64(x) + 0.5))
			}
			f := 0.0
			for y := range h {
				fy := math.Cos(math.Pi / float64(h) * float64(cy) * (float64(y) + 0.5))
				for x := range w {
					f += channel[x+y*w] * fx[x] * fy
				}
			}
			if f /= float64(w * h); cx > 0 || cy > 0 {
				t.rest, t.scale = append(t.rest, f), max(t.scale, math.Abs(f))
			} else {
				t.mean = f
			}
		}
	}
	if t.scale > 0 {
		for i, f := range t.rest {
			t.rest[i] = 0.5 + 0.5/t.scale*f
		}
	}
	return t
}
