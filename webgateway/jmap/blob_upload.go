package jmap

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// Blobs within a request are RFC 9404's: made from text, base64 and parts of
// others (this file), read (blob_get.go), and found where they are used
// (blob_lookup.go).

const usingBlob = "urn:ietf:params:jmap:blob"

const (
	maxSizeBlobSet = 50 << 20 // of a blob that is put together; texts of it fit into a request anyhow
	maxDataSources = 64
)

var blobMethods = map[string]method{
	"Blob/upload": {usingBlob, typed(uploadBlobs)},
	"Blob/get":    {usingBlob, typed(getBlobs)},
	"Blob/lookup": {usingBlob, typed(lookUpBlobs)},
}

// blobOfAccount is what the session says about it (RFC 9404 §3.1).
func blobOfAccount() object {
	return object{"maxSizeBlobSet": maxSizeBlobSet, "maxDataSources": maxDataSources,
		"supportedTypeNames": slices.Sorted(maps.Keys(lookedUp)), "supportedDigestAlgorithms": slices.Sorted(maps.Keys(digests))}
}

type uploadArgs struct {
	AccountID string                    `json:"accountId"`
	Create    map[string]jsontext.Value `json:"create"`
}

type uploadAnswer struct {
	AccountID  string               `json:"accountId"`
	Created    map[string]object    `json:"created"`
	NotCreated map[string]*setError `json:"notCreated"`
}

// newBlob is RFC 9404's UploadObject.
type newBlob struct {
	Data []dataSource `json:"data"`
	Type *string      `json:"type"`
}

// dataSource is one of its three forms.
type dataSource struct {
	Text   *string `json:"data:asText"`
	Base64 *string `json:"data:asBase64"`
	BlobID *string `json:"blobId"`
	Offset *int64  `json:"offset"`
	Length *int64  `json:"length"`
}

func uploadBlobs(ctx context.Context, c *Call, a *uploadArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	if len(a.Create) > maxObjectsInSet {
		return nil, &failure{Type: "requestTooLarge"}
	}
	out := &uploadAnswer{AccountID: a.AccountID, Created: map[string]object{}, NotCreated: map[string]*setError{}}
	waiting := map[string]*newBlob{}
	for key, raw := range a.Create {
		b := &newBlob{}
		if err := json.Unmarshal(raw, b, json.RejectUnknownMembers(true)); err != nil {
			out.NotCreated[key] = invalidProperties(why(err), where(err)...)
			continue
		}
		waiting[key] = b
	}
	// One may be made of another of the same call, whatever their order.
	for len(waiting) > 0 {
		ready := slices.DeleteFunc(slices.Sorted(maps.Keys(waiting)), func(key string) bool { return waiting[key].needs(waiting) })
		if len(ready) == 0 { // each of another: what they are made of is never there
			ready = slices.Sorted(maps.Keys(waiting))
		}
		for _, key := range ready {
			o, err := c.uploadBlob(ctx, account, waiting[key])
			delete(waiting, key)
			if err != nil {
				out.NotCreated[key] = c.refused(err)
				continue
			}
			c.made(key, o["id"].(string))
			out.Created[key] = o
		}
	}
	return out, nil
}

// needs says whether b is made of one that is not made yet.
func (b *newBlob) needs(waiting map[string]*newBlob) bool {
	for _, d := range b.Data {
		if d.BlobID != nil {
			if key, ok := strings.CutPrefix(*d.BlobID, "#"); ok && waiting[key] != nil {
				return true
			}
		}
	}
	return false
}

func (c *Call) uploadBlob(ctx context.Context, account mail.AccountID, b *newBlob) (object, error) {
	if c.srv.Uploads == nil {
		return nil, &setError{Type: "forbidden"}
	}
	if len(b.Data) > maxDataSources {
		return nil, invalidProperties("there are too many data sources", "data")
	}
	t := "application/octet-stream"
	if b.Type != nil {
		known, params, err := mime.ParseMediaType(*b.Type)
		full := mime.FormatMediaType(known, params)
		if err != nil || full == "" || len(full) > 255 {
			return nil, invalidProperties("it is no media type", "type")
		}
		t = full
	}
	whole := &joined{ctx: ctx}
	defer whole.Close()
	for _, d := range b.Data {
		p, err := c.piece(ctx, account, d)
		if err != nil {
			return nil, err
		}
		whole.pieces = append(whole.pieces, p)
	}
	f, err := c.srv.Uploads.Add(ctx, account, c.User.ID, t, whole, maxSizeBlobSet)
	if errors.Is(err, errShort) {
		return nil, invalidProperties("a range is not within its blob", "data")
	}
	if err != nil {
		return nil, err
	}
	return object{"id": mailbox.ObjectID('u', f.ID), "type": f.Type, "size": f.Size}, nil
}

// piece is one data source, opened when its turn has come; exact is how many
// octets it must have, below 0: all that there are.
type piece struct {
	open  func(ctx context.Context) (io.ReadCloser, error)
	exact int64
}

func (c *Call) piece(ctx context.Context, account mail.AccountID, d dataSource) (piece, error) {
	inline := func(s string) (piece, error) {
		return piece{func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }, -1}, nil
	}
	ranged := d.Offset != nil || d.Length != nil
	switch {
	case d.Text != nil && d.Base64 == nil && d.BlobID == nil && !ranged:
		if !utf8.ValidString(*d.Text) {
			return piece{}, invalidProperties("the text is not UTF-8", "data")
		}
		return inline(*d.Text)
	case d.Base64 != nil && d.Text == nil && d.BlobID == nil && !ranged:
		raw, err := base64.StdEncoding.DecodeString(*d.Base64)
		if err != nil {
			return piece{}, invalidProperties("data:asBase64 is not base64", "data")
		}
		return inline(string(raw))
	case d.BlobID != nil && d.Text == nil && d.Base64 == nil:
		id := c.idOf(*d.BlobID)
		b, err := c.blob(ctx, account, id)
		if mail.Is(err, mail.NotFound) {
			return piece{}, &setError{Type: "blobNotFound", NotFound: []string{*d.BlobID}}
		}
		if err != nil {
			return piece{}, err
		}
		offset, exact := int64(0), int64(-1)
		if d.Offset != nil {
			offset = *d.Offset
		}
		if d.Length != nil {
			exact = *d.Length
		}
		if offset < 0 || d.Length != nil && exact < 0 || b.size >= 0 && (offset > b.size || exact > b.size-offset) {
			return piece{}, invalidProperties("a range is not within its blob", "data")
		}
		return piece{func(ctx context.Context) (io.ReadCloser, error) { return b.open(ctx, offset) }, exact}, nil
	}
	return piece{}, invalidProperties("a data source is a text, base64, or a blob", "data")
}

// errShort: a blob ends before the range that was asked for does.
var errShort = errors.New("the blob is shorter")

// joined reads pieces one after the other.
type joined struct {
	ctx    context.Context
	pieces []piece
	at     io.ReadCloser
	left   int64 // of at; below 0: until its end
}

func (j *joined) Read(p []byte) (int, error) {
	for {
		if j.at == nil {
			if len(j.pieces) == 0 {
				return 0, io.EOF
			}
			in, err := j.pieces[0].open(j.ctx)
			if err != nil {
				return 0, err
			}
			j.at, j.left, j.pieces = in, j.pieces[0].exact, j.pieces[1:]
		}
		if j.left >= 0 {
			p = p[:min(int64(len(p)), j.left)]
		}
		n, err := 0, io.EOF
		if j.left != 0 {
			n, err = j.at.Read(p)
		}
		if j.left > 0 {
			if j.left -= int64(n); err == io.EOF && j.left > 0 {
				return n, errShort
			}
		}
		if err == io.EOF {
			j.Close()
			err = nil
			if n == 0 {
				continue
			}
		}
		return n, err
	}
}

func (j *joined) Close() error {
	if j.at != nil {
		j.at.Close()
		j.at = nil
	}
	return nil
}
