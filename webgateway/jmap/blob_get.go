package jmap

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"colporteur/mail"
)

// digests are those of RFC 9404 §4.2; the names are IANA's for the HTTP header.
var digests = map[string]func() hash.Hash{"sha": sha1.New, "sha-256": sha256.New, "sha-512": sha512.New, "md5": md5.New}

// maxLooked is how many octets one Blob/get reads, of all blobs together: what is
// only digested costs the client nothing, and us a core.
const maxLooked = 512 << 20

type blobGetArgs struct {
	AccountID  string    `json:"accountId"`
	IDs        []string  `json:"ids"`
	Properties *[]string `json:"properties"`
	Offset     int64     `json:"offset"`
	Length     *int64    `json:"length"`
}

type blobGetAnswer struct {
	AccountID string   `json:"accountId"`
	List      []object `json:"list"`
	NotFound  []string `json:"notFound"`
}

// blobLook is what is wanted of each blob, and what may still be read for it.
type blobLook struct {
	data, asText, asBase64, size bool
	digests                      []string
	offset, length               int64 // length below 0: to the end
	room                         int64 // octets of data that the answer has room for
	left                         int64 // octets that may be read
}

func getBlobs(ctx context.Context, c *Call, a *blobGetArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	if a.IDs == nil {
		return nil, invalid("blobs are asked for by their ids", "ids")
	}
	if len(a.IDs) > maxObjectsInGet {
		return nil, &failure{Type: "requestTooLarge"}
	}
	look := blobLook{offset: a.Offset, length: -1, room: maxResponse - int64(c.size), left: maxLooked}
	if a.Length != nil {
		look.length = *a.Length
	}
	if a.Offset < 0 || a.Length != nil && *a.Length < 0 {
		return nil, invalid("a range is of octets", "offset", "length")
	}
	wanted := []string{"data", "size"}
	if a.Properties != nil {
		wanted = *a.Properties
	}
	for _, name := range wanted {
		switch algorithm, digest := strings.CutPrefix(name, "digest:"); {
		case digest && digests[algorithm] != nil:
			if !slices.Contains(look.digests, algorithm) {
				look.digests = append(look.digests, algorithm)
			}
		case name == "data":
			look.data = true
		case name == "data:asText":
			look.asText = true
		case name == "data:asBase64":
			look.asBase64 = true
		case name == "size":
			look.size = true
		case name != "id":
			return nil, invalid("there is no property "+quoted(name), "properties")
		}
	}
	out := &blobGetAnswer{AccountID: a.AccountID, List: []object{}, NotFound: []string{}}
	for i, id := range a.IDs {
		if slices.Contains(a.IDs[:i], id) {
			continue
		}
		b, err := c.blob(ctx, account, c.idOf(id))
		if mail.Is(err, mail.NotFound) {
			out.NotFound = append(out.NotFound, id)
			continue
		}
		if err != nil {
			return nil, err
		}
		o, err := look.at(ctx, b)
		if err != nil {
			return nil, err
		}
		o["id"] = b.id
		out.List = append(out.List, o)
	}
	return out, nil
}

// at is what is wanted of b. A range is cut to what there is, and said to be.
func (l *blobLook) at(ctx context.Context, b *stream) (object, error) {
	o := object{}
	if l.size || b.size >= 0 && l.offset > b.size {
		size, err := l.measured(ctx, b)
		if err != nil {
			return nil, err
		}
		b.size = size
		if l.size {
			o["size"] = size
		}
	}
	text := l.data || l.asText
	if !text && !l.asBase64 && len(l.digests) == 0 {
		return o, nil
	}
	if b.size >= 0 && l.offset > b.size {
		o["isTruncated"] = true
		return o, nil
	}
	in, err := b.open(ctx, l.offset)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var to []io.Writer
	sums := map[string]hash.Hash{}
	for _, name := range l.digests {
		sums[name] = digests[name]()
		to = append(to, sums[name])
	}
	var data strings.Builder
	if text || l.asBase64 {
		to = append(to, &bounded{&data, &l.room})
	}
	most := l.left
	if l.length >= 0 {
		most = min(most, l.length)
	}
	n, err := io.Copy(io.MultiWriter(to...), io.LimitReader(in, most))
	if err != nil {
		return nil, err
	}
	if l.left -= n; l.left == 0 {
		return nil, tooMuchAsked()
	}
	if l.length >= 0 && n < l.length {
		o["isTruncated"] = true
	}
	for name, sum := range sums {
		o["digest:"+name] = base64.StdEncoding.EncodeToString(sum.Sum(nil))
	}
	l.put(o, data.String())
	return o, nil
}

// put adds the octets in the forms that were asked for.
func (l *blobLook) put(o object, data string) {
	utf := true
	if l.data || l.asText {
		if utf = utf8.ValidString(data); !utf {
			o["isEncodingProblem"] = true
		}
	}
	switch {
	case l.asText && !utf:
		o["data:asText"] = nil
	case (l.asText || l.data) && utf:
		o["data:asText"] = data
	}
	if l.asBase64 || l.data && !utf {
		o["data:asBase64"] = base64.StdEncoding.EncodeToString([]byte(data))
	}
}

// measured is how many octets b has; some are only known when they were read.
func (l *blobLook) measured(ctx context.Context, b *stream) (int64, error) {
	if b.size >= 0 {
		return b.size, nil
	}
	in, err := b.open(ctx, 0)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(in, l.left))
	if l.left -= n; err == nil && l.left == 0 {
		err = tooMuchAsked()
	}
	return n, err
}

func tooMuchAsked() error {
	return &failure{Type: "requestTooLarge", Description: "these are too many octets for one answer; download them"}
}

// bounded refuses what the answer has no room for.
type bounded struct {
	w    io.Writer
	room *int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if *b.room -= int64(len(p)); *b.room < 0 {
		return 0, tooMuchAsked()
	}
	return b.w.Write(p)
}
