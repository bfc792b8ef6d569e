package world_test

import (
	"strings"
	"testing"
	"time"

	cmail "colporteur/mail"
	"colporteur/store"
	"colporteur/world"
)

// away has the member's mail answered.
func away(m *world.Member, set world.Args) *world.JMAP {
	t := m.Server.World.T
	t.Helper()
	c := m.JMAP()
	c.Using = append(c.Using, "urn:ietf:params:jmap:vacationresponse", "urn:ietf:params:jmap:submission")
	set["isEnabled"] = true
	got := c.Call("VacationResponse/set", world.Args{"update": world.Args{"singleton": set}})
	if _, ok := got.At("updated").(map[string]any)["singleton"]; !ok {
		t.Fatalf("%v", got.Args)
	}
	return c
}

// plain is a mail as somebody writes it, with more header lines.
func plain(from, to, subject string, header ...string) []byte {
	return []byte("From: <" + from + ">\r\nTo: <" + to + ">\r\nSubject: " + subject + "\r\nMessage-ID: <" + strings.ReplaceAll(subject, " ", "-") + "@" + from[strings.Index(from, "@")+1:] + ">\r\n" +
		strings.Join(append(header, ""), "\r\n") + "\r\nUn mot.\r\n")
}

func TestWhoeverWritesToSomebodyAwayIsAnsweredOnceInFourDays(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, carl, bob := home.Member("ann", "fr"), home.Member("carl"), far.Member("bob")
	begins := w.Clock.Now().Add(24 * time.Hour).Truncate(time.Second)
	date := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }
	away(ann, world.Args{"fromDate": date(begins), "toDate": date(begins.AddDate(0, 0, 10)), "subject": "Jusqu'au 10 décembre",
		"textBody": "Je réponds à mon retour.\nAnn", "htmlBody": "<p>Je réponds <b>à mon retour</b>.</p><script>x</script>"})
	submit := func(m *world.Member, subject string, header ...string) {
		t.Helper()
		if err := m.Submit([]string{ann.Address}, plain(m.Address, ann.Address, subject, header...)); err != nil {
			t.Fatal(err)
		}
		w.Settle()
	}

	submit(bob, "avant")
	bob.Inbox().Empty()
	w.Advance(25 * time.Hour)
	submit(bob, "pendant", "References: <plus-tot@far.test>")
	m := bob.Inbox().One().Says("Je réponds à mon retour.")
	if m.Subject != "Auto: Jusqu'au 10 décembre" || m.Header.Get("From") != `Ann <ann@home.test>` || m.Header.Get("Return-Path") != "<>" || m.Header.Get("Auto-Submitted") != "auto-replied" ||
		m.Header.Get("In-Reply-To") != "<pendant@far.test>" || m.Header.Get("References") != "<plus-tot@far.test> <pendant@far.test>" || !strings.Contains(m.HTML, "<b>à mon retour</b>") || strings.Contains(m.HTML, "script") {
		t.Errorf("the answer is\n%s", m.Raw)
	}
	w.Advance(3 * 24 * time.Hour)
	submit(bob, "encore")
	bob.Inbox().One()
	w.Advance(25 * time.Hour)
	if err := home.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	submit(bob, "toujours")
	if n := len(bob.Inbox().All); n != 2 {
		t.Errorf("after four days bob has %d answers, want 2", n)
	}
	submit(carl, "d'ici") // another, on the same host
	carl.Inbox().One()
	w.Advance(7 * 24 * time.Hour)
	submit(bob, "apres")
	if n := len(bob.Inbox().All); n != 2 {
		t.Errorf("after the absence bob has %d answers, want 2", n)
	}
	if n := len(ann.Inbox().All); n != 6 {
		t.Errorf("ann has %d of 6 mails", n)
	}
}

func TestNothingAutomaticIsAnsweredForWhoIsAway(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob := home.Member("ann", "en"), far.Member("bob")
	away(ann, world.Args{})
	for name, header := range map[string]string{"a list": "List-Id: <chess.far.test>", "a newsletter": "List-Unsubscribe: <https://far.test/u>", "bulk": "Precedence: bulk",
		"a program": "Auto-Submitted: auto-generated", "another's answer": "Auto-Submitted: auto-replied", "Exchange": "X-Auto-Response-Suppress: All"} {
		if err := bob.Submit([]string{ann.Address}, plain(bob.Address, ann.Address, name, header)); err != nil {
			t.Fatal(err)
		}
	}
	// A blind copy: ann is in neither field.
	if err := bob.Submit([]string{ann.Address}, plain(bob.Address, "others@far.test", "blind")); err != nil {
		t.Fatal(err)
	}
	// Robots, by their names, and who only says that they are somebody.
	for _, name := range []string{"no-reply", "chess-bounces", "owner-chess"} {
		robot := far.Member(name)
		if err := robot.Submit([]string{ann.Address}, plain(robot.Address, ann.Address, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []string{"", "victim@nowhere.test"} {
		if err := home.FromOutside(from, []string{ann.Address}, plain("victim@nowhere.test", ann.Address, "unproven")); err != nil {
			t.Fatal(err)
		}
	}
	ann.Send(ann.Address) // a note to herself
	w.Settle()
	bob.Inbox().Empty()
	for name, m := range map[string]int{"INBOX": len(ann.Inbox().All), "jobs": answers(t, home)} {
		if want := map[string]int{"INBOX": 13, "jobs": 0}[name]; m != want {
			t.Errorf("%s: %d, want %d", name, m, want)
		}
	}
	// And a person is answered, with our words when there are none of hers.
	bob.Send(ann.Address, world.Subject("Lunch?"))
	w.Settle()
	if m := bob.Inbox().One().Says("I am away at the moment."); m.Subject != "Auto: Lunch?" {
		t.Errorf("the subject is %q", m.Subject)
	}
}

// answers counts who was answered by a host.
func answers(t *testing.T, s *world.Server) (n int) {
	t.Helper()
	if err := s.DB.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT count(*) FROM absence_answer`).Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTwoWhoAreAwayDoNotAnswerEachOthersAnswers(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, carl, bob := home.Member("ann"), home.Member("carl"), far.Member("bob")
	for _, m := range []*world.Member{ann, carl, bob} {
		away(m, world.Args{"textBody": "Absence de " + m.Address})
	}
	bob.Send(ann.Address)
	ann.Send(carl.Address)
	w.Settle()
	bob.Inbox().One().Says("Absence de ann@home.test")
	carl.Inbox().One().Says("Un mot.")
	if n := len(ann.Inbox().All); n != 2 {
		t.Errorf("ann has %d mails, want bob's and carl's answer", n)
	}
	for s, want := range map[*world.Server]int{home: 2, far: 0} {
		if n := answers(t, s); n != want {
			t.Errorf("%s answered %d times, want %d", s.Domain, n, want)
		}
	}
}

func TestWhoWroteToAnAliasIsAnsweredFromIt(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, carl, bob := home.Member("ann", "fr"), home.Member("carl"), far.Member("bob")
	for alias, to := range map[string][]cmail.Address{"tresorier@home.test": {ann.Account.Address}, "bureau@home.test": {ann.Account.Address, carl.Account.Address}} {
		if err := home.Accounts.AddAlias(t.Context(), cmail.MustAddress(alias), to...); err != nil {
			t.Fatal(err)
		}
	}
	c := away(ann, world.Args{"subject": "auto: je reviens lundi", "htmlBody": "<p>Je reviens <i>lundi</i>.</p>"})
	c.Call("Identity/set", world.Args{"create": world.Args{"t": world.Args{"email": "tresorier@home.test", "name": "La trésorière"}}})
	bob.Send("bureau@home.test") // several read it: none of them answers for all
	w.Settle()
	bob.Inbox().Empty()
	bob.Send("tresorier@home.test")
	w.Settle()
	m := bob.Inbox().One().Says("Je reviens lundi.")
	from, err := m.Header.AddressList("From")
	if err != nil || from[0].Address != "tresorier@home.test" || from[0].Name != "La trésorière" || m.Subject != "auto: je reviens lundi" {
		t.Errorf("the answer is\n%s", m.Raw)
	}
}

func TestWhatIsAnsweredIsSetByPrograms(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann", "fr")
	c := ann.JMAP()
	c.Using = append(c.Using, "urn:ietf:params:jmap:vacationresponse")
	got := c.Call("VacationResponse/get", world.Args{"ids": []string{"singleton", "other"}})
	if got.At("list/0/isEnabled") != false || got.At("list/0/fromDate") != nil || got.Text("notFound/0") != "other" {
		t.Errorf("before: %v", got.Args)
	}
	first := got.Text("state")
	set := func(update world.Args) world.Answer {
		t.Helper()
		return c.Call("VacationResponse/set", world.Args{"update": world.Args{"singleton": update}})
	}
	got = set(world.Args{"isEnabled": true, "toDate": "2030-01-01T00:00:00Z", "htmlBody": "<p onclick='x'>À bientôt</p>", "subject": "Absent"})
	if got.Text("updated/singleton/htmlBody") != "<p>À bientôt</p>" || got.At("updated/singleton/toDate") != nil || got.Text("newState") == first || got.Text("oldState") != first {
		t.Errorf("%v", got.Args)
	}
	if kind := c.Fails("VacationResponse/set", world.Args{"ifInState": first, "update": world.Args{"singleton": world.Args{"isEnabled": false}}}); kind != "stateMismatch" {
		t.Errorf("a change of an old state is told %s", kind)
	}
	for name, update := range map[string]world.Args{
		"an end before its beginning": {"fromDate": "2031-01-01T00:00:00Z"},
		"a local date":                {"toDate": "2030-01-01T00:00:00+01:00"},
		"a subject of two lines":      {"subject": "a\r\nBcc: x@far.test"},
		"a long text":                 {"textBody": strings.Repeat("x", 65<<10)},
		"no truth":                    {"isEnabled": 1},
		"another property":            {"vacation": true},
	} {
		if update["isEnabled"] == nil {
			update["isEnabled"] = false
		}
		if got := set(update); got.Text("notUpdated/singleton/type") != "invalidProperties" {
			t.Errorf("%s: %v", name, got.Args)
		}
	}
	got = c.Call("VacationResponse/set", world.Args{"create": world.Args{"k": world.Args{"isEnabled": true}}, "update": world.Args{"other": world.Args{}}, "destroy": []string{"singleton"}})
	for _, path := range []string{"notCreated/k", "notDestroyed/singleton"} {
		if kind := got.Text(path + "/type"); kind != "singleton" {
			t.Errorf("%s: %s", path, kind)
		}
	}
	now := c.Call("VacationResponse/get", world.Args{})
	if now.At("list/0/isEnabled") != true || now.Text("list/0/toDate") != "2030-01-01T00:00:00Z" || now.Text("list/0/subject") != "Absent" || now.At("list/0/textBody") != nil {
		t.Errorf("what was refused changed something: %v", now.Args)
	}
	// It goes with its member.
	if err := home.Accounts.Remove(t.Context(), ann.Account.ID); err != nil {
		t.Fatal(err)
	}
	if err := home.DB.Read(t.Context(), func(tx *store.Tx) error {
		var n int
		if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM absence`).Scan(&n); err != nil || n == 0 {
			return err
		}
		t.Errorf("%d absences outlive their member", n)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestARestartBetweenAMailAndItsAnswerLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	away(ann, world.Args{})
	senders := []*world.Member{home.Member("bob"), home.Member("carl"), home.Member("dan")}
	for _, m := range senders {
		m.Send(ann.Address)
		home.Stop() // right after the 250, wherever the answer is by then
		home.Start()
	}
	w.Settle()
	for _, m := range senders {
		m.Inbox().One()
	}
}
