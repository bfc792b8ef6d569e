package picture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// lookTime is how long ffprobe or a frame may take.
const lookTime = 30 * time.Second

// stream is one of a film's, as ffprobe tells.
type stream struct {
	Type   string `json:"codec_type"`
	Codec  string `json:"codec_name"`
	Pixels string `json:"pix_fmt"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

type probed struct {
	Streams []stream `json:"streams"`
	Format  struct {
		Duration string            `json:"duration"`
		BitRate  string            `json:"bit_rate"`
		Tags     map[string]string `json:"tags"`
	} `json:"format"`
}

// input is how a stranger's film is named to ffmpeg: by a kind that we found, as
// a file and nothing else. A playlist that leads into the network, or to files of
// ours, is none of these kinds.
func (k kind) input() []string {
	format := "mov"
	if k == kindWebM {
		format = "matroska"
	}
	return []string{"-protocol_whitelist", "file", "-f", format, "-i", "in"}
}

// look asks ffprobe about a film.
func (m *Maker) look(ctx context.Context, f *opened) (info probed, err error) {
	if m.ffmpeg == "" || m.ffprobe == "" {
		return info, errNoTool
	}
	var said bytes.Buffer
	args := append([]string{"-v", "error", "-print_format", "json", "-show_format", "-show_streams"}, f.kind.input()...)
	if err := m.run(ctx, job{dir: f.dir, timeout: lookTime, name: m.ffprobe, args: args, said: &said}); err != nil {
		return info, err
	}
	if err := json.Unmarshal(said.Bytes(), &info); err != nil {
		return info, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if info.video().Codec == "" {
		return info, fmt.Errorf("%w: no moving picture in it", ErrUnreadable)
	}
	return info, nil
}

// video is the stream that is shown.
func (i probed) video() stream {
	for _, s := range i.Streams {
		if s.Type == "video" {
			return s
		}
	}
	return stream{}
}

func (i probed) duration() time.Duration {
	s, err := strconv.ParseFloat(i.Format.Duration, 64)
	if err != nil || !(s > 0 && s < 1e6) {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}

func (i probed) taken() time.Time {
	for _, k := range []string{"com.apple.quicktime.creationdate", "creation_time"} {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05-0700"} {
			if t, err := time.Parse(layout, i.Format.Tags[k]); err == nil && t.Year() > 1990 {
				return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC) // its own clock
			}
		}
	}
	return time.Time{}
}

// caption is what the film says of itself, as a photo's would.
func (i probed) caption() string {
	for _, k := range []string{"com.apple.quicktime.description", "description", "comment"} {
		if s := described(i.Format.Tags[k]); s != "" {
			return s
		}
	}
	return ""
}

func (i probed) place() bool {
	for k := range i.Format.Tags {
		if strings.Contains(strings.ToLower(k), "location") {
			return true
		}
	}
	return false
}

// plays says whether every browser plays what is coded so.
func (i probed) plays() bool {
	rate, _ := strconv.ParseInt(i.Format.BitRate, 10, 64)
	if v := i.video(); v.Codec != "h264" || v.Pixels != "yuv420p" || max(v.Width, v.Height) > filmSide {
		return false
	}
	for _, s := range i.Streams {
		if s.Type == "audio" {
			return rate > 0 && rate < lightEnough && (s.Codec == "aac" || s.Codec == "mp3") // the first is the one that is taken
		}
	}
	return rate > 0 && rate < lightEnough
}
