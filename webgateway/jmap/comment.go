package jmap

import (
	"context"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/store/mailbox"
	"colporteur/workflow/album"
)

var commentType = &sharedType{
	name:       "Comment",
	properties: []string{"id", "albumId", "photoId", "by", "text", "at"},
	state:      stateOf(func(m marks) string { return m.Comments }),
	query:      queryComments,
	objects:    commentObjects,
	create:     createComment,
	destroy: func(ctx context.Context, c *Call, id string) error {
		n, ok := number[int64](commentKind, id)
		if !ok {
			return &setError{Type: "notFound"}
		}
		a, err := c.srv.Albums.OfComment(ctx, n, c.caller())
		if err != nil {
			return err
		}
		v, err := c.srv.Albums.Visit(ctx, a, c.caller())
		if err != nil {
			return err
		}
		return c.srv.Albums.RemoveComment(ctx, v, n)
	},
	sort: "at",
}

const commentKind = 'C'

func queryComments(ctx context.Context, c *Call, raw jsontext.Value) ([]string, error) {
	var f struct {
		AlbumID string         `json:"albumId"`
		PhotoID jsontext.Value `json:"photoId"`
	}
	if err := filter(raw, &f); err != nil {
		return nil, err
	}
	id, err := albumOf(c.idOf(f.AlbumID))
	var list []object
	if err == nil {
		list, err = c.commentsOf(ctx, id)
	}
	if absent(err) {
		return nil, &failure{Type: "unsupportedFilter", Description: "words are about an album of the member's: albumId"}
	}
	if err != nil {
		return nil, err
	}
	ids := []string{}
	photo, _ := textOf(f.PhotoID)
	for _, o := range list {
		of, _ := o["photoId"].(string)
		if len(f.PhotoID) == 0 || of == c.idOf(photo) {
			ids = append(ids, o["id"].(string))
		}
	}
	return ids, nil
}

// commentsOf is what was said in an album, in the order of time.
func (c *Call) commentsOf(ctx context.Context, a album.ID) ([]object, error) {
	list, err := c.srv.Albums.Comments(ctx, a, c.caller())
	var out []object
	for _, w := range list {
		o := object{"id": mailbox.ObjectID(commentKind, w.ID), "albumId": mailbox.ObjectID(albumKind, int64(a)), "photoId": nil, "by": w.Name, "text": w.Text, "at": utcDate(w.At)}
		if w.Photo != 0 {
			o["photoId"] = mailbox.ObjectID(photoKind, int64(w.Photo))
		}
		out = append(out, o)
	}
	return out, err
}

func commentObjects(ctx context.Context, c *Call, ids []string) (map[string]object, error) {
	all, out := map[string]object{}, map[string]object{}
	for _, id := range ids {
		n, ok := number[int64](commentKind, id)
		if !ok {
			continue
		}
		if all[id] == nil {
			a, err := c.srv.Albums.OfComment(ctx, n, c.caller())
			if absent(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			list, err := c.commentsOf(ctx, a)
			if err != nil {
				return nil, err
			}
			for _, o := range list {
				all[o["id"].(string)] = o
			}
		}
		if all[id] != nil {
			out[id] = all[id]
		}
	}
	return out, nil
}

func createComment(ctx context.Context, c *Call, raw jsontext.Value) (string, error) {
	var q struct {
		AlbumID string  `json:"albumId"`
		PhotoID *string `json:"photoId"`
		Text    string  `json:"text"`
	}
	err := json.Unmarshal(raw, &q, json.RejectUnknownMembers(true))
	if err != nil {
		return "", invalidProperties(why(err), where(err)...)
	}
	a, err := albumOf(c.idOf(q.AlbumID))
	var p album.PhotoID
	if err == nil && q.PhotoID != nil {
		p, err = photoOf(c.idOf(*q.PhotoID))
	}
	var id int64
	if err == nil {
		id, err = c.srv.Albums.Say(ctx, a, c.caller(), p, q.Text)
	}
	var known *setError
	if absent(err) && !errors.As(err, &known) {
		err = invalidProperties("there is no such album, or photo in it", "albumId", "photoId")
	}
	return mailbox.ObjectID(commentKind, id), err
}
