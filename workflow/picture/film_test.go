package picture

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// told is what ffprobe says of one thing.
func told(t testing.TB, path string, what ...string) string {
	t.Helper()
	out, err := exec.Command("ffprobe", append(append([]string{"-v", "error", "-of", "csv=p=0"}, what...), path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// A telephone that is held upright writes a film that lies, and a note that turns it.
func TestAnUprightFilmStandsUpright(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	do(t, dir, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=5:duration=1", "-pix_fmt", "yuv420p", "-c:v", "libx264", "lies.mp4")
	do(t, dir, "ffmpeg", "-v", "error", "-i", "lies.mp4", "-c", "copy", "-metadata:s:v:0", "rotate=90", "a.mov")
	b, err := os.ReadFile(filepath.Join(dir, "a.mov"))
	if err != nil {
		t.Fatal(err)
	}
	m := &Maker{Hurry: true, Dir: t.TempDir()}
	p, err := m.Make(t.Context(), bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Width != 360 || p.Height != 640 {
		t.Errorf("%d by %d, want 360 by 640", p.Width, p.Height)
	}
	for _, path := range p.JPEG {
		if w, h, err := size(path); err != nil || w >= h {
			t.Errorf("%s: %d by %d, %v", filepath.Base(path), w, h, err)
		}
	}
	f, err := m.Finish(t.Context(), bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if turn := told(t, f.Film, "-show_entries", "side_data=rotation"); !strings.Contains(turn, "90") {
		t.Errorf("the web's form is not turned: %q", turn)
	}
}

// A place between the coded pictures (H.264 annex D) is as private as one beside them.
func TestAFilmHasNoNotesBetweenItsPictures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ encoder, note, want string }{
		"h264": {"libx264", "h264_metadata=sei_user_data=086f3693b7b34f2c965321492feee5b8+" + place42, "h264"},
		// x265 writes its settings where a camera might write more.
		"hevc": {"libx265", "null", "hevc"},
	} {
		dir := t.TempDir()
		do(t, dir, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=5:duration=1", "-pix_fmt", "yuv420p", "-c:v", c.encoder, "-bsf:v", c.note, "a.mp4")
		b, err := os.ReadFile(filepath.Join(dir, "a.mp4"))
		if err != nil {
			t.Fatal(err)
		}
		tell := place42
		if name == "hevc" {
			tell = "x265"
		}
		if !bytes.Contains(b, []byte(tell)) {
			t.Fatalf("%s: the source has no note to begin with", name)
		}
		m := &Maker{Hurry: true, Dir: t.TempDir()}
		f, err := m.Finish(t.Context(), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, path := range []string{f.Clean, f.Film} {
			made, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if bytes.Contains(made, []byte(tell)) {
				t.Errorf("%s: %s still has it", name, filepath.Base(path))
			}
			if bytes.Index(made, []byte("moov")) > bytes.Index(made, []byte("mdat")) {
				t.Errorf("%s: %s begins with what comes last: it cannot be shown while it loads", name, filepath.Base(path))
			}
		}
		if got := told(t, f.Clean, "-show_entries", "stream=codec_name,codec_tag_string"); !strings.HasPrefix(got, c.want) || name == "hevc" && !strings.Contains(got, "hvc1") {
			t.Errorf("%s: the full size is %s", name, got)
		}
		if got := told(t, f.Film, "-show_entries", "stream=codec_name"); got != "h264" {
			t.Errorf("%s: the web's form is %s", name, got)
		}
	}
}

func TestALargeFilmIsMadeSmallForTheWeb(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	do(t, dir, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=2561x1441:rate=2:duration=1", "-f", "lavfi", "-i", "sine=duration=1", "-pix_fmt", "yuv444p", "-preset", "ultrafast",
		"-c:v", "libx264", "-c:a", "aac", "a.mp4")
	b, err := os.ReadFile(filepath.Join(dir, "a.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	m := &Maker{Hurry: true, Dir: t.TempDir()}
	f, err := m.Finish(t.Context(), bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := told(t, f.Film, "-select_streams", "v", "-show_entries", "stream=width,height,pix_fmt"); got != "1920,1080,yuv420p" {
		t.Errorf("the web's form is %s", got)
	}
	if got := told(t, f.Clean, "-select_streams", "v", "-show_entries", "stream=width,height,pix_fmt"); got != "2561,1441,yuv444p" {
		t.Errorf("the full size is %s", got)
	}
}

// A note that was overwritten is as long as it was: the bytes say so themselves.
func TestWhatIsHushedIsAWholeMessageOfNothing(t *testing.T) {
	t.Parallel()
	for long := 4; long < 1500; long++ {
		b := bytes.Repeat([]byte("x"), long)
		fill(b)
		at := 0
		number := func() (n int) {
			for ; b[at] == 0xff; at++ {
				n += 255
			}
			at++
			return n + int(b[at-1])
		}
		kind := number()
		n := number()
		if kind != 3 && kind != 258 || at+n+1 != long || b[long-1] != 0x80 || bytes.Contains(b, []byte("xx")) {
			t.Fatalf("%d bytes: kind %d, %d of filler from %d: % x", long, kind, n, at, b[:min(long, 20)])
		}
	}
}

// FuzzHush: no film's head makes it panic, or write elsewhere than into notes.
func FuzzHush(f *testing.F) {
	f.Add([]byte("....hvcC......................\x01\x27\x00\x01\x00\x08abcdefgh"))
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		if !hushed(b) && !bytes.Equal(was, b) {
			t.Error("changed, and not said")
		}
	})
}
