package picture

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"time"
)

// Limits of work on a film.
const (
	filmTime = 30 * time.Minute
	filmSide = 1920
	// lightEnough is how many bits a second a film may have that is left as it was
	// coded: more would stutter on a slow line.
	lightEnough = 6_000_000
)

// poster makes a picture of a film. Without ffmpeg, or when it cannot read the
// film, it is a plain one: the film is kept all the same.
func (m *Maker) poster(ctx context.Context, f *opened, p *Picture) error {
	p.Video = true
	info, err := m.look(ctx, f)
	frame := ""
	if err == nil {
		p.Duration, p.Taken, p.Place, p.Caption = info.duration(), info.taken(), info.place(), info.caption()
		frame, err = m.frame(ctx, f)
	}
	if errors.Is(err, ErrUnreadable) || errors.Is(err, errNoTool) {
		p.Width, p.Height = 1280, 720
		return p.encode(placeholder(p.Width, p.Height))
	}
	if err != nil {
		return err
	}
	defer os.Remove(frame)
	w, h, err := size(frame)
	if err != nil {
		return err
	}
	// The frame is upright; the stream may be turned by what stands beside it.
	p.Width, p.Height = info.video().Width, info.video().Height
	if (w > h) != (p.Width > p.Height) {
		p.Width, p.Height = p.Height, p.Width
	}
	if m.vips != "" {
		return m.chain(ctx, f.dir, frame, false, p)
	}
	png, err := os.Open(frame)
	if err != nil {
		return err
	}
	defer png.Close()
	return m.pure(png, kindPNG, 1, p)
}

// frame is a file with one that is like its neighbours, so not a black first one.
// It is made small before frames are compared: 24 of the largest films fill the
// memory that a run may have.
func (m *Maker) frame(ctx context.Context, f *opened) (string, error) {
	args := append([]string{"-nostdin", "-v", "error", "-threads", "1"}, f.kind.input()...)
	err := m.run(ctx, job{dir: f.dir, timeout: lookTime, name: m.ffmpeg, args: append(args, "-map", "0:v:0", "-an", "-sn", "-dn",
		"-vf", fmt.Sprintf("scale='min(%[1]d,iw)':'min(%[1]d,ih)':force_original_aspect_ratio=decrease,thumbnail=24", Sides[2]),
		"-frames:v", "1", "-map_metadata", "-1", "frame.png")})
	path := filepath.Join(f.dir, "frame.png")
	if _, _, serr := size(path); err == nil && serr != nil {
		err = fmt.Errorf("%w: no frame in it", ErrUnreadable)
	}
	return path, err
}

// film makes the web's form of a film, and the full one without what the camera
// wrote: the coded pictures and sound go into a new file, and nothing else does.
// It returns a frame to make small pictures of. "" when the film cannot be read:
// then guests see the plain picture and get no bytes of it, for nobody knows what
// is in them; the owner has the film as it came.
func (m *Maker) film(ctx context.Context, f *opened, out *Finished) (frame string, err error) {
	info, err := m.look(ctx, f)
	if errors.Is(err, errNoTool) || errors.Is(err, ErrUnreadable) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	whole, mediaType := "clean.mp4", "video/mp4"
	if f.kind == kindWebM {
		whole, mediaType = "clean.webm", "video/webm" // whose codecs MP4 does not hold
	}
	if out.Clean, err = m.remake(ctx, f, whole, append([]string{"-c", "copy", "-strict", "-1"}, silent(info.video().Codec)...)); err != nil {
		return "", err
	}
	if out.Clean != "" {
		out.CleanType = mediaType
		if info.video().Codec == "hevc" {
			if err := hush(out.Clean); err != nil {
				return "", err
			}
		}
	}
	if info.plays() && out.CleanType == "video/mp4" {
		out.Film = out.Clean // the same bytes serve both
	} else if out.Film, err = m.remake(ctx, f, "film.mp4", []string{"-c:v", "libx264", "-preset", "veryfast", "-crf", "24", "-pix_fmt", "yuv420p",
		"-vf", fmt.Sprintf("scale='if(gt(iw,ih),min(%[1]d,iw),-2)':'if(gt(iw,ih),-2,min(%[1]d,ih))',pad='ceil(iw/2)*2':'ceil(ih/2)*2'", filmSide),
		"-c:a", "aac", "-b:a", "128k", "-ac", "2"}); err != nil {
		return "", err
	}
	frame, err = m.frame(ctx, f)
	if errors.Is(err, ErrUnreadable) {
		return "", nil
	}
	return frame, err
}

// remake writes the first moving picture and the first sound of a film into a new
// file, without anything that stands beside them: tracks of positions, chapters,
// covers, names. "" when they do not go into one.
func (m *Maker) remake(ctx context.Context, f *opened, name string, how []string) (string, error) {
	args := append([]string{"-nostdin", "-v", "error", "-threads", "1"}, f.kind.input()...)
	args = append(args, "-map", "0:v:0", "-map", "0:a:0?", "-sn", "-dn", "-map_metadata", "-1", "-map_metadata:s", "-1", "-map_chapters", "-1",
		"-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact")
	args = append(append(args, how...), "-movflags", "+faststart", name)
	err := m.run(ctx, job{dir: f.dir, timeout: filmTime, name: m.ffmpeg, args: args, file: MaxFilm})
	if errors.Is(err, ErrUnreadable) {
		os.Remove(filepath.Join(f.dir, name))
		return "", nil
	}
	return filepath.Join(f.dir, name), err
}

// silent leaves out what a camera wrote between the coded pictures, where
// anything may stand: supplemental enhancement information (ITU-T H.264 annex D,
// NAL unit 6; H.265 annex D, NAL units 39 and 40).
func silent(codec string) []string {
	switch codec {
	case "h264":
		return []string{"-bsf:v", "filter_units=remove_types=6"}
	case "hevc":
		// Without this name Apple's players do not know the codec.
		return []string{"-bsf:v", "filter_units=remove_types=39-40", "-tag:v", "hvc1"}
	}
	return nil
}

// placeholder is what is shown of a film that cannot be looked into.
func placeholder(w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	ground, mark := color.RGBA{0x45, 0x4b, 0x45, 255}, color.RGBA{0xfa, 0xf7, 0xf0, 255}
	for y := range h {
		for x := range w {
			c := ground
			// A triangle that points to the right.
			dx, dy := x-w*2/5, y-h/2
			if dx >= 0 && dx < h/3 && max(dy, -dy)*2 < h/3-dx {
				c = mark
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}
