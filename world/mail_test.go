package world_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"colporteur/world"
)

func TestMailGoesFromServerToServer(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob := home.Member("ann"), far.Member("bob")
	ann.Send(bob.Address, world.Subject("Été à la mer"), world.Text("Cher Bob,\r\n"), world.Bcc("ann+copie@home.test"))
	w.Settle()
	m := bob.Inbox().One().Says("Cher Bob,")
	if m.Subject != "Été à la mer" {
		t.Errorf("subject %q", m.Subject)
	}
	if strings.Contains(strings.ToLower(m.Raw), "bcc:") || strings.Contains(m.Raw, "copie") {
		t.Errorf("the copy's recipient is shown:\n%s", m.Raw)
	}
	for _, f := range []string{"Return-Path", "Delivered-To", "Received", "Message-Id", "Date"} {
		if m.Header.Get(f) == "" {
			t.Errorf("no %s field:\n%s", f, m.Raw)
		}
	}
	ann.Inbox().One().Says("Cher Bob,")
	bob.Send(ann.Address, world.Subject("Re: Été"))
	w.Settle()
	if n := len(ann.Inbox().All); n != 2 {
		t.Errorf("ann has %d mails, want 2", n)
	}
}

func TestARecipientNobodyHasIsRefusedAndTheSenderIsTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob := home.Member("ann"), far.Member("bob")
	ann.Send(bob.Address, world.Cc("nobody@far.test"), world.Subject("Pour deux"))
	w.Settle()
	bob.Inbox().One()
	bounce := ann.Inbox().One()
	if rp := bounce.Header.Get("Return-Path"); rp != "<>" {
		t.Errorf("the bounce has the return path %q", rp)
	}
	if ct := bounce.Header.Get("Content-Type"); !strings.HasPrefix(ct, "multipart/report") {
		t.Errorf("the bounce is a %s", ct)
	}
	if !strings.Contains(bounce.Raw, "nobody@far.test") || strings.Contains(bounce.Raw, "Final-Recipient: rfc822;bob") {
		t.Errorf("the bounce names the wrong people:\n%s", bounce.Raw)
	}
}

func TestNobodyCanUseUsAsARelay(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann := home.Member("ann")
	bob := far.Member("bob")
	raw := []byte("From: <x@elsewhere.invalid>\r\nSubject: relay\r\n\r\n.\r\n")
	for _, to := range []string{"bob@far.test", "bob%far.test@home.test", "\"bob@far.test\"@home.test", "far.test!bob@home.test",
		"@home.test:bob@far.test", "bob@far.test@home.test", "bob@[127.0.0.1]", "bob@sub.home.test", "bob@home.test."} {
		for _, from := range []string{"x@elsewhere.invalid", ann.Address, "bob@far.test", ""} {
			if err := home.FromOutside(from, []string{to}, raw); code(err) < 500 {
				t.Errorf("from <%s> to <%s>: %v, want 5xx", from, to, err)
			}
		}
	}
	w.Settle()
	bob.Inbox().Empty()
}

func TestAMemberSendsOnlyAsThemselves(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, eve := home.Member("ann"), home.Member("eve")
	raw := []byte("From: <ann@home.test>\r\nSubject: x\r\n\r\nx\r\n")
	if err := eve.Submit([]string{ann.Address}, raw); code(err) < 500 {
		t.Errorf("a forged From: %v, want 5xx", err)
	}
	raw = []byte("From: <eve+shop@home.test>\r\nSubject: x\r\n\r\nx\r\n")
	if err := eve.Submit([]string{ann.Address}, raw); err != nil {
		t.Errorf("their own address with a detail: %v", err)
	}
	w.Settle()
	ann.Inbox().One()
}

func TestAServerThatIsAwayGetsItsMailLaterAndTheSenderHearsOfIt(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob := home.Member("ann"), far.Member("bob")
	far.Stop()
	ann.Send(bob.Address, world.Subject("Patience"))
	w.Settle()
	ann.Inbox().Empty()
	for range 6 {
		w.Advance(time.Hour)
		w.Settle()
	}
	ann.Inbox().One().Says(bob.Address) // the delay is told
	far.Start()
	w.Advance(4 * time.Hour)
	w.Settle()
	if m := bob.Inbox().One(); m.Subject != "Patience" {
		t.Errorf("bob reads %q", m.Subject)
	}
	ann.Inbox().One() // and no bounce
}

func TestAfterFiveDaysTheSenderGetsOneBounce(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann := home.Member("ann")
	far.Stop()
	ann.Send("bob@far.test", world.Subject("Patience"))
	for range 6 * 6 {
		w.Settle()
		w.Advance(4 * time.Hour)
	}
	w.Settle()
	bounces := 0
	for _, m := range ann.Inbox().All {
		if strings.Contains(m.Raw, "Action: failed") {
			bounces++
		}
	}
	if bounces != 1 {
		t.Errorf("%d bounces, want one", bounces)
	}
}

func TestAMailThatGoesRoundIsStopped(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	raw := strings.Repeat("Received: from x by y; Mon, 2 Nov 2026 10:00:00 +0000\r\n", 101) + "Subject: x\r\n\r\nx\r\n"
	if err := home.FromOutside("a@elsewhere.invalid", []string{ann.Address}, []byte(raw)); code(err) != 554 {
		t.Errorf("101 Received fields: %v, want 554", err)
	}
	raw = "Delivered-To: ann@home.test\r\nSubject: x\r\n\r\nx\r\n"
	if err := home.FromOutside("a@elsewhere.invalid", []string{ann.Address}, []byte(raw)); code(err) != 554 {
		t.Errorf("delivered here before: %v, want 554", err)
	}
	ann.Inbox().Empty()
}

func TestWhatWasAcceptedIsThereAfterARestart(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	for i := range 5 {
		raw := fmt.Sprintf("Subject: mail %d\r\n\r\n%s\r\n", i, strings.Repeat("x", i*8000))
		if err := home.FromOutside("a@elsewhere.invalid", []string{ann.Address}, []byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	home.Stop()
	home.Start()
	if n := len(ann.Inbox().All); n != 5 {
		t.Errorf("%d mails after the restart, want 5", n)
	}
}

func TestASuspendedMemberIsOutAtOnce(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	session := ann.IMAP()
	if err := home.Accounts.Suspend(t.Context(), ann.Account.ID); err != nil {
		t.Fatal(err)
	}
	select {
	case <-session.Closed():
	case <-time.After(10 * time.Second):
		t.Error("the open session goes on")
	}
	if err := ann.TrySend(ann.Address); code(err) < 500 {
		t.Errorf("sending: %v, want 5xx", err)
	}
	if err := home.FromOutside("a@elsewhere.invalid", []string{ann.Address}, []byte("Subject: x\r\n\r\nx\r\n")); code(err) != 550 {
		t.Errorf("mail to them: %v, want 550", err)
	}
	if err := home.Accounts.Resume(t.Context(), ann.Account.ID); err != nil {
		t.Fatal(err)
	}
	ann.Send(ann.Address)
	w.Settle()
	ann.Inbox().One()
}
