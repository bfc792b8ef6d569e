package contact_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/contact"
)

// wrote has the account write to people: addresses, or "Name <address>".
func (h *house) wrote(a mail.AccountID, to ...string) {
	h.Helper()
	var list []contact.Address
	for _, s := range to {
		name, address, named := strings.Cut(strings.TrimSuffix(s, ">"), " <")
		if !named {
			name, address = "", s
		}
		x, err := mail.ParseAddress(address)
		if err != nil {
			h.Fatal(err)
		}
		list = append(list, contact.Address{Address: x, Name: name})
	}
	if err := h.DB.Write(h.Context(), func(tx *store.Tx) error { return h.Wrote(h.Context(), tx, a, list) }); err != nil {
		h.Fatal(err)
	}
}

func (h *house) suggests(text string, want ...string) {
	h.Helper()
	group, _ := mail.ParseAddress("chorale@home.test")
	list, err := h.Suggest(h.Context(), ann, text, []contact.Address{{Address: group, Name: "La Chorale"}}, 5)
	if err != nil {
		h.Fatal(err)
	}
	var got []string
	for _, s := range list {
		got = append(got, s.Source+" "+s.Name+" <"+s.Address.Address.String()+">")
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		h.Errorf("%q suggests\n %s\nwant\n %s", text, strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

func TestWhoIsMeantIsSuggestedBestFirst(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.add(ann, `{"name":{"full":"Zoé Lefèvre"},"emails":{"e1":{"address":"zoe@example.test"},"e2":{"address":"Z.Lefevre@work.test"}}}`)
		h.add(bob, `{"name":{"full":"Zorro"},"emails":{"e1":{"address":"zorro@example.test"}}}`)
		zoe, work := "card Zoé Lefèvre <zoe@example.test>", "card Zoé Lefèvre <Z.Lefevre@work.test>"
		h.suggests("zo", work, zoe)
		h.suggests("LEFÈV", work, zoe)
		h.suggests("lef zoé", work, zoe)
		h.suggests("oé") // not where a word begins
		h.suggests("zoe@ex", zoe)
		h.suggests("work", work)
		h.suggests("zoe bob")
		h.suggests("%")
		h.suggests("_")
		h.suggests("cho", "group La Chorale <chorale@home.test>")
		// Written to: first, under the name that the card gives.
		h.wrote(ann, "Mme Lefèvre <zoe@example.test>", "Zacharie <zac@example.test>")
		h.suggests("z", "sent Zacharie <zac@example.test>", zoe, work)
		// Often beats once; long ago fades.
		h.wrote(ann, "zoe@example.test")
		h.suggests("z", zoe, "sent Zacharie <zac@example.test>", work)
		h.now = h.now.Add(70 * 24 * time.Hour)
		h.wrote(ann, "zac@example.test")
		h.suggests("z", "sent Zacharie <zac@example.test>", zoe, work)
		for range 10 {
			h.wrote(ann, "zoe@example.test")
		}
		h.now = h.now.Add(40 * 24 * time.Hour)
		h.wrote(ann, "zac@example.test")
		h.suggests("z", zoe, "sent Zacharie <zac@example.test>", work)
		h.suggests("", zoe, "sent Zacharie <zac@example.test>", "group La Chorale <chorale@home.test>", work)
		// Forgotten, until written to.
		zac, _ := mail.ParseAddress("ZAC@example.test")
		if err := h.Forget(t.Context(), ann, zac); err != nil {
			t.Fatal(err)
		}
		if err := h.Forget(t.Context(), ann, zac); !mail.Is(err, mail.NotFound) {
			t.Errorf("forgotten twice: %v", err)
		}
		h.suggests("zac")
		h.wrote(ann, "zac@example.test")
		h.suggests("zac", "sent  <zac@example.test>")
		// A mail to a crowd says nothing.
		var crowd []string
		for i := range 51 {
			crowd = append(crowd, fmt.Sprintf("crowd%d@example.test", i))
		}
		h.wrote(ann, crowd...)
		h.suggests("crowd")
		h.now = h.now.Add(4 * 365 * 24 * time.Hour)
		if err := h.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.suggests("zac")
	})
}

// Completion runs at each key: under ten milliseconds at ten thousand addresses.
func TestTenThousandAddressesAreSearchedWhileOneTypes(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
			for i := range 200 {
				var list []contact.Address
				for j := range 50 {
					n := i*50 + j
					list = append(list, contact.Address{Address: mail.Address{Local: fmt.Sprintf("prenom%d.nom%d", n, n*7%9973), Domain: "example.test"}, Name: fmt.Sprintf("Prénom%d Nom%d", n, n*7%9973)})
				}
				if err := h.Wrote(t.Context(), tx, ann, list); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"p", "nom98 pre", "nothing"} {
			best := time.Hour
			for range 7 { // the machine may have other things to do
				begin := time.Now()
				if _, err := h.Suggest(t.Context(), ann, text, nil, 10); err != nil {
					t.Fatal(err)
				}
				best = min(best, time.Since(begin))
			}
			t.Logf("%q: %v", text, best)
			if best > 30*time.Millisecond {
				t.Errorf("%q takes %v", text, best)
			}
		}
	})
}
