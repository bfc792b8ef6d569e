package delivery

import (
	"io"
	"math/rand/v2"
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/message"
	"colporteur/store/storetest"
)

func noise(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestTheCopiesOfALargeMailShareItsFiles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := movingIn(t, db)
		r.Door.Message, r.Drop = 10<<20, 20<<20
		inbox, err := r.Mailboxes.Get(t.Context(), 7, "INBOX")
		if err != nil {
			t.Fatal(err)
		}
		film := noise(1_500_000, 1)
		count := func(q string) (n int) {
			t.Helper()
			if err := db.Read(t.Context(), func(tx *store.Tx) error { return tx.QueryRow(t.Context(), q).Scan(&n) }); err != nil {
				t.Fatal(err)
			}
			return n
		}
		// Apple's and Google's programs, Mozilla's, PEM, and one with no custom.
		for i, width := range []int{76, 72, 64, 76, 61} {
			raw := wrap("Content-Type: text/plain\r\n\r\nVoil\xc3\xa0.", attached("base64", lines(film, width, "\r\n")), attached("base64", lines(noise(3000, 9), 76, "\r\n")))
			placed, err := r.file(inbox, nil, raw)
			if err != nil {
				t.Fatal(err)
			}
			var m *message.Message
			if err := db.Read(t.Context(), func(tx *store.Tx) (err error) {
				var id message.ID
				if err := tx.QueryRow(t.Context(), `SELECT message FROM placement WHERE mailbox = $1 AND uid = $2`, int64(inbox.ID), int64(placed[0].UID)).Scan(&id); err != nil {
					return err
				}
				m, err = r.Messages.GetIn(t.Context(), tx, id)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			for _, at := range []int64{0, 1, 700, m.Size / 2, m.Size - 3} {
				in, err := r.Messages.OpenMessage(t.Context(), m, at)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(in)
				in.Close()
				if err != nil || string(got) != raw[at:] {
					t.Fatalf("in lines of %d it reads back as something else from %d: %v", width, at, err)
				}
			}
			want := 1
			if i == 4 {
				want = 2 // its lines are kept as they came
			}
			if n := count(`SELECT count(*) FROM blob WHERE size > 1000000`); n != want {
				t.Errorf("after copy %d, in lines of %d: %d large blobs, want %d", i+1, width, n, want)
			}
		}
		if n := r.blobFiles(); n != count(`SELECT count(*) FROM blob WHERE inline IS NULL`) {
			t.Errorf("%d files for the blobs that there are", n)
		}
	})
}

func TestAFileThatIsAlsoElsewhereStaysWhenOneOfItsNamesGoes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := movingIn(t, db)
		r.Door.Message, r.Drop = 10<<20, 20<<20
		r.Blobs.Named = []string{`SELECT 1 FROM message WHERE blob = $1`, `SELECT 1 FROM segment WHERE blob = $1`}
		inbox, err := r.Mailboxes.Get(t.Context(), 7, "INBOX")
		if err != nil {
			t.Fatal(err)
		}
		film := noise(1_500_000, 2)
		raw := wrap(attached("base64", lines(film, 76, "\r\n")))
		var ids []message.ID
		for range 2 {
			if _, err := r.file(inbox, nil, raw); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			rows, err := tx.Query(t.Context(), `SELECT id FROM message ORDER BY id`)
			return store.Each(rows, err, func(scan func(...any) error) error {
				var id message.ID
				err := scan(&id)
				ids = append(ids, id)
				return err
			})
		}); err != nil {
			t.Fatal(err)
		}
		remove := func(id message.ID) {
			t.Helper()
			if err := db.Write(t.Context(), func(tx *store.Tx) error { return r.Messages.Delete(t.Context(), tx, id) }); err != nil {
				t.Fatal(err)
			}
		}
		remove(ids[0])
		in, err := r.Messages.Open(t.Context(), ids[1], 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in)
		in.Close()
		if err != nil || string(got) != raw {
			t.Fatalf("the other copy lost its bytes: %v", err)
		}
		remove(ids[1])
		if n := r.blobFiles(); n != 0 {
			t.Errorf("%d files are left when nothing names them", n)
		}
		// What is gone is stored anew.
		if _, err := r.file(inbox, nil, raw); err != nil {
			t.Fatal(err)
		}
		if n := r.blobFiles(); n != 2 { // the file, and the rest of the mail
			t.Errorf("%d files", n)
		}
	})
}

func TestLightenTakesTheLargestFirstAndPicturesLast(t *testing.T) {
	t.Parallel()
	leaf := func(kind string, size int64, name, id string) *mail.Part {
		return &mail.Part{Type: kind, Size: size, Filename: name, ID: id, BodyOffset: size}
	}
	picture, small, film, paper := leaf("image/jpeg", 5<<20, "", "<a>"), leaf("image/jpeg", 200<<10, "", ""), leaf("video/mp4", 9<<20, "f", ""), leaf("application/pdf", 3<<20, "p", "")
	root := &mail.Part{Type: "multipart/mixed", Children: []*mail.Part{leaf("text/plain", 400<<10, "", ""), picture, small, paper, film}}
	sum := &mail.Summary{Root: root}
	for _, c := range []struct {
		limit int64
		want  []*mail.Part
	}{
		{15 << 20, []*mail.Part{film}},
		{8 << 20, []*mail.Part{paper, film}},
		{5 << 20, []*mail.Part{paper, picture, film}},
		{600 << 10, nil}, // the words and the small file alone are more
	} {
		take, ok := Lighten(sum, 18<<20, c.limit)
		if ok != (c.want != nil) || len(take) != len(c.want) {
			t.Errorf("below %d: %d parts, %v", c.limit, len(take), ok)
			continue
		}
		for i := range take {
			if take[i] != c.want[i] {
				t.Errorf("below %d: part %d is %s", c.limit, i, take[i].Type)
			}
		}
	}
	root.Children = append(root.Children, &mail.Part{Type: "multipart/signed"})
	if _, ok := Lighten(sum, 18<<20, 15<<20); ok {
		t.Error("a signed part was overlooked")
	}
	if _, ok := Lighten(&mail.Summary{}, 18<<20, 15<<20); ok {
		t.Error("a mail without parts")
	}
}
