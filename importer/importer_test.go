package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/store/mailbox"
)

func TestFoldersAreCopiedInTheirOrder(t *testing.T) {
	t.Parallel()
	h := newHost(t, map[string][]string{"INBOX": letters(450), "Archiv": letters(3), "Leer": nil})
	im, k, n := h.importer()
	k.have = map[string][]mailbox.UIDRange{"Archiv": {{First: 5, Last: 20}}}
	done, err := im.Run(t.Context())
	if err != nil || done.New != 451 || done.Have != 2 || done.Failed != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	k.wants(t, h, "INBOX")
	k.wants(t, h, "Archiv", 10, 20)
	if got := strings.Join(n.folders, "; "); got != "INBOX > INBOX 450 0 0; Archiv > Archiv 1 2 0; Leer > Leer 0 0 0" {
		t.Errorf("told: %s", got)
	}
	if len(k.batches) > 6 {
		t.Errorf("filed in batches of %v", k.batches)
	}
	if h.dials.Load() != 1 {
		t.Errorf("%d connections", h.dials.Load())
	}
}

func TestLargeMailsKeepTheirPlaceAmongSmallOnes(t *testing.T) {
	t.Parallel()
	mails := letters(30)
	for _, i := range []int{0, 7, 8, 29} {
		mails[i] = "Subject: large\r\n\r\n" + strings.Repeat("x", small)
	}
	h := newHost(t, map[string][]string{"INBOX": mails, "Zwei": mails[5:10]})
	im, k, _ := h.importer()
	done, err := im.Run(t.Context())
	if err != nil || done.New != 35 || done.Bytes != octets(mails)+octets(mails[5:10]) {
		t.Errorf("%+v, %v", done, err)
	}
	k.wants(t, h, "INBOX")
	k.wants(t, h, "Zwei")
}

func octets(mails []string) (n int64) {
	for _, m := range mails {
		n += int64(len(m))
	}
	return n
}

func TestAConnectionThatBreaksIsMadeAgain(t *testing.T) {
	t.Parallel()
	h := newHost(t, map[string][]string{"INBOX": letters(500)})
	var mu sync.Mutex
	broken := map[int]bool{}
	h.fetch = func(w io.Writer, _ string, uid int) string {
		mu.Lock()
		defer mu.Unlock()
		if uid%770 != 0 || broken[uid] {
			return ""
		}
		broken[uid] = true
		fmt.Fprintf(w, "* %d FETCH (UID %d BODY[] {500}\r\nhalf", uid/10, uid)
		return "cut"
	}
	im, k, n := h.importer()
	done, err := im.Run(t.Context())
	if err != nil || done.New != 500 || len(n.failed) > 0 {
		t.Errorf("%+v, %v, %v", done, err, n.failed)
	}
	k.wants(t, h, "INBOX")
	if int(h.dials.Load()) != 1+len(broken) || len(broken) != 6 {
		t.Errorf("%d connections for %d breaks", h.dials.Load(), len(broken))
	}
}

func TestAMailThatCannotBeReadIsPassedOver(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"the connection breaks each time": "cut",
		"nonsense":                        "* 7 FETCH (UID 70 BODY[ {1\r\n",
		"the host says no":                "NO",
		"no bytes":                        "* 7 FETCH (UID 70 BODY[] NIL)\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, map[string][]string{"INBOX": letters(30)})
			h.fetch = func(_ io.Writer, _ string, uid int) string {
				if uid == 70 {
					return answer
				}
				return ""
			}
			im, k, n := h.importer()
			done, err := im.Run(t.Context())
			if err != nil || done.New != 29 || done.Failed != 1 {
				t.Errorf("%+v, %v", done, err)
			}
			k.wants(t, h, "INBOX", 70)
			if len(n.failed) != 1 || !strings.HasPrefix(n.failed[0], "INBOX/70: ") {
				t.Errorf("told: %q", n.failed)
			}
		})
	}
}

func TestMailsThatTheHostLeavesOutAreToldUnlessTheyAreGone(t *testing.T) {
	t.Parallel()
	h := newHost(t, map[string][]string{"INBOX": letters(20)})
	h.fetch = func(_ io.Writer, _ string, uid int) string {
		switch uid {
		case 50: // its UID behind the bytes: the client cannot tell whose they are
			return "* 5 FETCH (BODY[] {1}\r\nx UID 50)\r\n"
		case 80:
			return "* OK nothing of it\r\n"
		}
		return ""
	}
	h.gone = map[int]bool{80: true}
	im, k, n := h.importer()
	done, err := im.Run(t.Context())
	if err != nil || done.New != 18 || done.Failed != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	k.wants(t, h, "INBOX", 50, 80)
	if len(n.failed) != 1 || !strings.HasPrefix(n.failed[0], "INBOX/50: ") {
		t.Errorf("told: %q", n.failed)
	}
}

func TestDatesThatAreNoneAreLeftOut(t *testing.T) {
	t.Parallel()
	h := newHost(t, map[string][]string{"INBOX": letters(5), "Zwei": letters(2)})
	h.date = `"00-Xxx-0000 99:99:99 +0000"`
	im, k, _ := h.importer()
	done, err := im.Run(t.Context())
	if err != nil || done.New != 7 {
		t.Fatalf("%+v, %v", done, err)
	}
	if !strings.HasPrefix(k.mails["INBOX"][0], `10 $x0 \Seen -62135596800 Subject: 0`) {
		t.Errorf("%q", k.mails["INBOX"][0])
	}
}

func TestWhatEndsTheCopying(t *testing.T) {
	t.Parallel()
	ours := errors.New("our disk is full")
	for name, x := range map[string]struct {
		spoil func(*otherHost, *Importer, *keeper)
		want  error
	}{
		"a wrong password":     {func(_ *otherHost, im *Importer, _ *keeper) { im.Password = "wrong" }, ErrLogin},
		"a folder that is not": {func(_ *otherHost, im *Importer, _ *keeper) { im.Folders = []string{"INBOX", "Nowhere"} }, ErrNoFolder},
		"our own failure":      {func(_ *otherHost, _ *Importer, k *keeper) { k.refuse = ours }, ours},
		"the host is gone": {func(h *otherHost, _ *Importer, _ *keeper) {
			h.dial = func(n int) bool { return n == 1 }
			h.fetch = func(_ io.Writer, _ string, uid int) string {
				if uid > 1000 {
					return "cut"
				}
				return ""
			}
		}, ErrGone},
		"every mail breaks it": {func(h *otherHost, _ *Importer, _ *keeper) {
			h.fetch = func(io.Writer, string, int) string { return "cut" }
		}, ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, map[string][]string{"INBOX": letters(300)})
			im, k, n := h.importer(func(im *Importer, k *keeper) { x.spoil(h, im, k) })
			done, err := im.Run(t.Context())
			if !errors.Is(err, x.want) {
				t.Errorf("%+v, %v", done, err)
			}
			if name == "the host is gone" && len(k.mails["INBOX"]) != 100 {
				t.Errorf("%d mails of 100 that came are kept", len(k.mails["INBOX"]))
			}
			if len(n.failed) > 2*hopeless {
				t.Errorf("told of %d failures", len(n.failed))
			}
		})
	}
}

func TestAHostThatNeverAnsweredIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	h.dial = func(int) bool { return false }
	im, _, _ := h.importer()
	if _, err := im.Run(t.Context()); err == nil || errors.Is(err, ErrGone) || h.dials.Load() != 1 {
		t.Errorf("%v after %d connections", err, h.dials.Load())
	}
}

func TestStoppingEndsItAtOnce(t *testing.T) {
	t.Parallel()
	h := newHost(t, map[string][]string{"INBOX": letters(30)})
	ctx, stop := context.WithCancel(t.Context())
	silent := make(chan struct{})
	defer close(silent)
	h.fetch = func(io.Writer, string, int) string { // says nothing any more
		stop()
		<-silent
		return "cut"
	}
	im, _, _ := h.importer()
	im.Patience = []time.Duration{time.Hour}
	if _, err := im.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAFolderThatIsNumberedAnewIsLeftForTheNextTime(t *testing.T) {
	t.Parallel()
	h := newHost(t, map[string][]string{"INBOX": letters(300), "Zwei": letters(2)})
	once := sync.Once{}
	h.fetch = func(_ io.Writer, folder string, uid int) (said string) {
		if uid == 2500 {
			once.Do(func() {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.validity, said = 8, "cut"
			})
		}
		return said
	}
	im, k, n := h.importer()
	done, err := im.Run(t.Context())
	if err != nil || len(k.mails["INBOX"]) != 249 || done.Failed == 0 || !slices.ContainsFunc(n.failed, func(s string) bool { return strings.HasPrefix(s, "INBOX/0: ") }) {
		t.Errorf("%+v, %v, %d mails, %q", done, err, len(k.mails["INBOX"]), n.failed)
	}
}

func TestALargeMailIsNeverInMemory(t *testing.T) {
	h := newHost(t, map[string][]string{"INBOX": {strings.Repeat("x", 100)}})
	const size = 200 << 20
	h.fetch = func(w io.Writer, _ string, uid int) string {
		fmt.Fprintf(w, "* 1 FETCH (UID 10 BODY[] {%d}\r\n", size)
		line := []byte(strings.Repeat("0123456789abcde\n", 4096))
		for n := 0; n < size; n += len(line) {
			if _, err := w.Write(line); err != nil {
				return "cut"
			}
		}
		return ")\r\n"
	}
	im, _, _ := h.importer()
	k := &counter{}
	im.Target = k
	done, err := im.Run(t.Context())
	if err != nil || done.New != 1 || k.n != size {
		t.Fatalf("%+v, %v; %d octets", done, err, k.n)
	}
	if k.heap > size/3 {
		t.Errorf("%d MiB of heap", k.heap>>20)
	}
}
