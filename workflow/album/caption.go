package album

import (
	"path"
	"regexp"
	"strings"

	"colporteur/workflow"
)

// captionLimit is how many characters are said under a photo.
const captionLimit = 500

// captions are what a mail says about its files: a line "IMG_1234: the lake" for
// each, or, when there is one photo only, the whole text.
func captions(text string, files []workflow.File) []string {
	out := make([]string, len(files))
	by := map[string]int{}
	pictures, only := 0, 0
	for i, f := range files {
		by[strings.ToLower(f.Name)] = i
		by[stem(f.Name)] = i
		if strings.HasPrefix(f.Type, "image/") || strings.HasPrefix(f.Type, "video/") || extensions[f.Type] != "" ||
			strings.Contains(".jpg.jpeg.png.heic.heif.webp.avif.gif.tif.tiff.mp4.mov", strings.ToLower(path.Ext(f.Name))+".") {
			pictures, only = pictures+1, i
		}
	}
	named := false
	for line := range strings.SplitSeq(text, "\n") {
		name, said, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		i, ok := by[strings.ToLower(strings.Trim(name, " \u00a0*-"))]
		if said = strings.TrimSpace(said); ok && said != "" {
			out[i], named = shorten(said), true
		}
	}
	if pictures == 1 && !named {
		out[only] = shorten(workflow.Words(text))
	}
	return out
}

func shorten(s string) string {
	s = strings.TrimSpace(s)
	if r := []rune(s); len(r) > captionLimit {
		return strings.TrimSpace(string(r[:captionLimit-1])) + "…"
	}
	return s
}

// clouds are where telephones put photos instead of into the mail. We do not
// fetch from there: the address is a stranger's, and most ask for an account.
var clouds = []struct {
	name string
	at   *regexp.Regexp
}{
	{"Mail Drop (iCloud)", regexp.MustCompile(`https://(www\.icloud\.com/attachment|cvws\.icloud-content\.com)`)},
	{"iCloud", regexp.MustCompile(`https://(www\.icloud\.com|share\.icloud\.com)/(photos|sharedalbum|iclouddrive)`)},
	{"Google Drive", regexp.MustCompile(`https://(drive|docs)\.google\.com/`)},
	{"Google Photos", regexp.MustCompile(`https://(photos\.google\.com|photos\.app\.goo\.gl)/`)},
	{"OneDrive", regexp.MustCompile(`https://(1drv\.ms|onedrive\.live\.com|[a-z0-9-]+\.sharepoint\.com)/`)},
	{"Dropbox", regexp.MustCompile(`https://(www\.)?dropbox\.com/(s|sh|scl)/`)},
	{"WeTransfer", regexp.MustCompile(`https://(we\.tl|([a-z0-9-]+\.)?wetransfer\.com)/`)},
}

// elsewhere says where a mail's photos are, when its text leads there.
func elsewhere(text string) string {
	for _, c := range clouds {
		if c.at.MatchString(text) {
			return c.name
		}
	}
	return ""
}
