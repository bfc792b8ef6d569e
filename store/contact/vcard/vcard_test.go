package vcard_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/store/contact"
	"colporteur/store/contact/vcard"
)

func readAll(t testing.TB, text string) (list []map[string]any, bad []error) {
	t.Helper()
	r := vcard.NewReader(strings.NewReader(text))
	for {
		card, err := r.Next()
		var b *vcard.BadError
		switch {
		case err == io.EOF:
			return list, bad
		case errors.As(err, &b):
			bad = append(bad, err)
		case err != nil:
			t.Fatal(err)
		default:
			list = append(list, card)
		}
	}
}

func one(t testing.TB, text string) map[string]any {
	t.Helper()
	list, bad := readAll(t, strings.ReplaceAll(text, "\n", "\r\n"))
	if len(list) != 1 || len(bad) > 0 {
		t.Fatalf("%d cards, %v", len(list), bad)
	}
	if err := contact.Check(list[0]); err != nil {
		t.Errorf("not a card: %v", err)
	}
	return list[0]
}

func show(v any) string {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent(" "))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// plain is a card without the types of its objects, which say nothing new.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if k != "@type" {
				out[k] = plain(x)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	}
	return v
}

func is(t *testing.T, card map[string]any, want string) {
	t.Helper()
	var w map[string]any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	have := plain(card).(map[string]any)
	for name, v := range w {
		if !reflect.DeepEqual(have[name], v) {
			t.Errorf("%s is\n%s\nwant\n%s", name, show(have[name]), show(v))
		}
	}
	for name := range have {
		if _, ok := w[name]; !ok && name != "version" && name != "uid" {
			t.Errorf("besides there is %s: %s", name, show(have[name]))
		}
	}
}

var pixel = base64.StdEncoding.EncodeToString(append([]byte("\xff\xd8\xff\xe0"), make([]byte, 200)...))

// folded breaks a long line as phones do.
func folded(s string) string {
	var b strings.Builder
	for len(s) > 70 {
		b.WriteString(s[:70] + "\n ")
		s = s[70:]
	}
	return b.String() + s
}

func TestAnIPhonesCard(t *testing.T) {
	card := one(t, `BEGIN:VCARD
VERSION:3.0
PRODID:-//Apple Inc.//iPhone OS 18.1//EN
N:Lefèvre;Zoé;Marie;Mme;
FN:Mme Zoé Marie Lefèvre
NICKNAME:Zozo
ORG:Chorale des Lilas;Altos
TITLE:Trésorière
EMAIL;type=INTERNET;type=HOME;type=pref:zoe@example.test
item1.EMAIL;type=INTERNET:zoe@autre.test
item1.X-ABLabel:Club
TEL;type=CELL;type=VOICE;type=pref:06 12 34 56 78
item2.ADR;type=HOME;type=pref:;;12 rue des Lilas\nBât. B;Orléans;;45000;France
item2.X-ABADR:fr
item3.URL;type=pref:https\://example.test/zoe?a=1\,2
item3.X-ABLabel:_$!<HomePage>!$_
BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12
item4.X-ABDATE;type=pref:2010-07-03
item4.X-ABLabel:_$!<Anniversary>!$_
item5.X-ABRELATEDNAMES;type=pref:Marc
item5.X-ABLabel:_$!<Spouse>!$_
X-SOCIALPROFILE;type=twitter;x-user=zozo:http://twitter.com/zozo
IMPP;X-SERVICE-TYPE=Skype;type=HOME:skype:zoe.l
NOTE:Aime le thé\, le soir\;\nà la menthe.
`+folded("PHOTO;ENCODING=b;TYPE=JPEG:"+pixel)+`
REV:2026-11-02T10:11:12Z
UID:0A1B-2C3D
END:VCARD
`)
	is(t, card, `{"prodId":"-//Apple Inc.//iPhone OS 18.1//EN","uid":"0A1B-2C3D","updated":"2026-11-02T10:11:12Z",
		"name":{"full":"Mme Zoé Marie Lefèvre","components":[{"kind":"surname","value":"Lefèvre"},{"kind":"given","value":"Zoé"},{"kind":"given2","value":"Marie"},{"kind":"title","value":"Mme"}]},
		"nicknames":{"NICKNAME-1":{"name":"Zozo"}},"organizations":{"ORG-1":{"name":"Chorale des Lilas","units":[{"name":"Altos"}]}},"titles":{"TITLE-1":{"name":"Trésorière","kind":"title"}},
		"emails":{"EMAIL-1":{"address":"zoe@example.test","contexts":{"private":true},"pref":1},"EMAIL-2":{"address":"zoe@autre.test","label":"Club"}},
		"phones":{"TEL-1":{"number":"06 12 34 56 78","features":{"mobile":true,"voice":true},"pref":1}},
		"addresses":{"ADR-1":{"components":[{"kind":"name","value":"12 rue des Lilas\nBât. B"},{"kind":"locality","value":"Orléans"},{"kind":"postcode","value":"45000"},{"kind":"country","value":"France"}],
			"countryCode":"FR","contexts":{"private":true},"pref":1}},
		"links":{"URL-1":{"uri":"https://example.test/zoe?a=1,2","label":"HomePage","pref":1}},
		"anniversaries":{"ANNIVERSARY-1":{"kind":"birth","date":{"month":4,"day":12}},"ANNIVERSARY-2":{"kind":"wedding","date":{"year":2010,"month":7,"day":3},"pref":1}},
		"onlineServices":{"OS-1":{"service":"twitter","user":"zozo","uri":"http://twitter.com/zozo"},"OS-2":{"service":"Skype","uri":"skype:zoe.l","vCardName":"impp","contexts":{"private":true}}},
		"notes":{"NOTE-1":{"note":"Aime le thé, le soir;\nà la menthe."}},
		"media":{"PHOTO-1":{"kind":"photo","uri":"data:image/jpeg;base64,`+pixel+`","mediaType":"image/jpeg"}},
		"vCardProps":[["x-abrelatednames",{"group":"item5","type":"pref"},"unknown","Marc"],["x-ablabel",{"group":"item5"},"unknown","_$!<Spouse>!$_"]]}`)
}

func TestGooglesCard(t *testing.T) {
	card := one(t, `BEGIN:VCARD
VERSION:3.0
FN:Jean Petit
N:Petit;Jean;;;
item1.EMAIL;TYPE=INTERNET:jean@example.test
item1.X-ABLabel:
TEL;TYPE=WORK:+33 1 23 45 67 89
ADR;TYPE=HOME:;;1 place Haute;Lyon;;69001;FR
ORG:SARL Petit
BDAY:19850412
URL:http\://petit.test
CATEGORIES:myContacts,Escalade\, bloc
X-ANDROID-CUSTOM:vnd.android.cursor.item/nickname;Jeannot;1;;;
item2.X-ABDATE:2001-02-03
item2.X-ABLabel:Adhésion
END:VCARD
`)
	is(t, card, `{"name":{"full":"Jean Petit","components":[{"kind":"surname","value":"Petit"},{"kind":"given","value":"Jean"}]},
		"emails":{"EMAIL-1":{"address":"jean@example.test"}},"phones":{"TEL-1":{"number":"+33 1 23 45 67 89","contexts":{"work":true}}},
		"addresses":{"ADR-1":{"components":[{"kind":"name","value":"1 place Haute"},{"kind":"locality","value":"Lyon"},{"kind":"postcode","value":"69001"},{"kind":"country","value":"FR"}],"contexts":{"private":true}}},
		"organizations":{"ORG-1":{"name":"SARL Petit"}},"anniversaries":{"ANNIVERSARY-1":{"kind":"birth","date":{"year":1985,"month":4,"day":12}}},
		"links":{"URL-1":{"uri":"http://petit.test"}},"keywords":{"myContacts":true,"Escalade, bloc":true},
		"vCardProps":[["x-android-custom",{},"unknown","vnd.android.cursor.item/nickname;Jeannot;1;;;"],["x-abdate",{"group":"item2"},"unknown","2001-02-03"],["x-ablabel",{"group":"item2"},"unknown","Adhésion"]]}`)
}

func TestOutlooksOldCard(t *testing.T) {
	text := strings.ReplaceAll(`BEGIN:VCARD
VERSION:2.1
N;LANGUAGE=fr;CHARSET=Windows-1252:Gar`+"\xe7"+`on;H`+"\xe9"+`l`+"\xe8"+`ne
FN;CHARSET=Windows-1252:H`+"\xe9"+`l`+"\xe8"+`ne Gar`+"\xe7"+`on
TEL;WORK;VOICE:01 02 03 04 05
TEL;HOME;FAX:01 02 03 04 06
ADR;WORK;PREF;ENCODING=QUOTED-PRINTABLE:;;3 rue de l'=C9glise=0D=0AB=E2t. C;Tours;;37000;France
LABEL;WORK;PREF;ENCODING=QUOTED-PRINTABLE:3 rue de l'=C9glise=0D=0A=
B=E2t. C=0D=0A=
37000 Tours
EMAIL;PREF;INTERNET:helene@example.test
NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=utf-8:Caf=C3=A9 ; th=C3=A9=0A=
deux
PHOTO;TYPE=JPEG;ENCODING=BASE64:
 `+pixel[:60]+`
 `+pixel[60:]+`

REV:20260102T030405Z
END:VCARD
`, "\n", "\r\n")
	list, bad := readAll(t, text)
	if len(list) != 1 || len(bad) > 0 {
		t.Fatal(list, bad)
	}
	is(t, list[0], `{"name":{"full":"Hélène Garçon","components":[{"kind":"surname","value":"Garçon"},{"kind":"given","value":"Hélène"}],"vCardParams":{"language":"fr"}},
		"phones":{"TEL-1":{"number":"01 02 03 04 05","features":{"voice":true},"contexts":{"work":true}},"TEL-2":{"number":"01 02 03 04 06","features":{"fax":true},"contexts":{"private":true}}},
		"addresses":{"ADR-1":{"components":[{"kind":"name","value":"3 rue de l'Église\nBât. C"},{"kind":"locality","value":"Tours"},{"kind":"postcode","value":"37000"},{"kind":"country","value":"France"}],
			"contexts":{"work":true},"pref":1,"full":"3 rue de l'Église\nBât. C\n37000 Tours"}},
		"emails":{"EMAIL-1":{"address":"helene@example.test","pref":1}},"notes":{"NOTE-1":{"note":"Café ; thé\ndeux"}},
		"media":{"PHOTO-1":{"kind":"photo","uri":"data:image/jpeg;base64,`+pixel+`","mediaType":"image/jpeg"}},"updated":"2026-01-02T03:04:05Z"}`)
}

func TestThunderbirdsCard(t *testing.T) {
	card := one(t, `BEGIN:VCARD
VERSION:4.0
UID:urn:uuid:5d0c1e6a-1111-4222-8333-444455556666
KIND:individual
FN:Ana Pérez Gil
N;SORT-AS="Perez,Ana":Pérez,Gil;Ana;;;;Gil;
EMAIL;PREF=1:ana@example.test
TEL;VALUE=TEL;TYPE="voice,home":+34 600 00 00 00
TEL;VALUE=uri;TYPE=cell:tel:+34-611-111-111
ADR;LABEL="Calle Mayor 1^nMadrid";GEO="geo:40.4,-3.7";TYPE=work:;;Calle Mayor 1;Madrid;;28001;España
BDAY;VALUE=DATE:--0412
ANNIVERSARY:20100703
TZ:Europe/Madrid
RELATED;TYPE=friend:urn:uuid:11111111-1111-4111-8111-111111111111
LANG;PREF=1:es
HOBBY;LEVEL=high:Canto
URL;VALUE=URL:https://ana.test
IMPP:xmpp:ana@example.test
PHOTO:data:image/png;base64,AAAA
GENDER:F
CREATED:20260101T000000Z
X-CUSTOM1;VALUE=TEXT:uno
END:VCARD
`)
	is(t, card, `{"uid":"urn:uuid:5d0c1e6a-1111-4222-8333-444455556666","kind":"individual","created":"2026-01-01T00:00:00Z",
		"name":{"full":"Ana Pérez Gil","components":[{"kind":"surname","value":"Pérez"},{"kind":"given","value":"Ana"},{"kind":"surname2","value":"Gil"}],"sortAs":{"surname":"Perez,Ana"}},
		"emails":{"EMAIL-1":{"address":"ana@example.test","pref":1}},
		"phones":{"TEL-1":{"number":"+34 600 00 00 00","features":{"voice":true},"contexts":{"private":true}},"TEL-2":{"number":"+34-611-111-111","features":{"mobile":true}}},
		"addresses":{"ADR-1":{"components":[{"kind":"name","value":"Calle Mayor 1"},{"kind":"locality","value":"Madrid"},{"kind":"postcode","value":"28001"},{"kind":"country","value":"España"}],
			"full":"Calle Mayor 1\nMadrid","coordinates":"geo:40.4,-3.7","contexts":{"work":true},"timeZone":"Europe/Madrid"}},
		"anniversaries":{"ANNIVERSARY-1":{"kind":"birth","date":{"month":4,"day":12}},"ANNIVERSARY-2":{"kind":"wedding","date":{"year":2010,"month":7,"day":3}}},
		"relatedTo":{"urn:uuid:11111111-1111-4111-8111-111111111111":{"relation":{"friend":true}}},"preferredLanguages":{"LANG-1":{"language":"es","pref":1}},
		"personalInfo":{"PERSONAL-1":{"kind":"hobby","value":"Canto","level":"high"}},"links":{"URL-1":{"uri":"https://ana.test"}},
		"onlineServices":{"OS-1":{"uri":"xmpp:ana@example.test","vCardName":"impp"}},"media":{"PHOTO-1":{"kind":"photo","uri":"data:image/png;base64,AAAA","mediaType":"image/png"}},
		"vCardProps":[["gender",{},"unknown","F"],["x-custom1",{"value":"TEXT"},"unknown","uno"]]}`)
}

func TestGroupsNameTheirMembersAsTheCardsAreNamed(t *testing.T) {
	list, bad := readAll(t, `BEGIN:VCARD
VERSION:3.0
UID:AAAA-1
FN:Zoé
END:VCARD
BEGIN:VCARD
VERSION:3.0
FN:Chorale
N:Chorale;;;;
X-ADDRESSBOOKSERVER-KIND:group
X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:AAAA-1
UID:GGGG
END:VCARD
BEGIN:VCARD
VERSION:4.0
KIND:group
FN:Bureau
MEMBER:urn:uuid:AAAA-2
MEMBER:mailto:x@y.test
UID:urn:uuid:HHHH
END:VCARD
`)
	if len(list) != 3 || len(bad) > 0 {
		t.Fatal(list, bad)
	}
	if list[1]["kind"] != "group" || !reflect.DeepEqual(list[1]["members"], map[string]any{"AAAA-1": true}) || list[2]["kind"] != "group" ||
		!reflect.DeepEqual(list[2]["members"], map[string]any{"urn:uuid:AAAA-2": true, "mailto:x@y.test": true}) {
		t.Error(show(list))
	}
}

func TestABrokenCardIsNotTheEndOfAFile(t *testing.T) {
	list, bad := readAll(t, "\xef\xbb\xbfjunk\r\nBEGIN:VCARD\nFN:One\nnonsense\n;;;\n:\nFN\nTEL;=;;TYPE:1\nEND:VCARD\nBEGIN:VCARD\nFN:Two\n"+strings.Repeat("X-A:b\n", 6000)+"END:VCARD\nbegin:vcard\rFN:Three\nend:vcard\nBEGIN:VCARD\nFN:Four\nAGENT:\nBEGIN:VCARD\nFN:Agent\nEND:VCARD\nEND:VCARD\nBEGIN:VCARD\nFN:Cut off")
	var names []string
	for _, c := range list {
		names = append(names, contact.Title(c))
	}
	if strings.Join(names, " ") != "One Four" && strings.Join(names, " ") != "One Three Four" || len(bad) != 2 {
		t.Error(names, bad)
	}
	// The same file again gives the same uid, another card another.
	again, _ := readAll(t, "BEGIN:VCARD\nFN:One\nEND:VCARD\nBEGIN:VCARD\nFN:One\nEND:VCARD\nBEGIN:VCARD\nFN:One!\nEND:VCARD")
	if again[0]["uid"] != again[1]["uid"] || again[0]["uid"] == again[2]["uid"] {
		t.Error(show(again))
	}
	// Outlook also saves in UTF-16.
	wide := []byte{0xff, 0xfe}
	for _, r := range "BEGIN:VCARD\r\nFN:Zoé\r\nEND:VCARD\r\n" {
		wide = append(wide, byte(r), byte(r>>8))
	}
	if list, _ := readAll(t, string(wide)); len(list) != 1 || contact.Title(list[0]) != "Zoé" {
		t.Error(show(list))
	}
}

// everything is a card with all that JSContact knows, and more.
const everything = `{"@type":"Card","version":"1.0","uid":"u/1,2;3","created":"2026-01-02T03:04:05Z","updated":"2026-02-03T04:05:06Z","kind":"group","language":"fr","prodId":"x",
"members":{"urn:uuid:1":true,"b":true},"relatedTo":{"urn:uuid:2":{"relation":{"friend":true,"spouse":true}},"Tante Jo":{}},
"name":{"full":"Mme Zoé, «la» Grande; \\o/","components":[{"kind":"title","value":"Mme"},{"kind":"given","value":"Zoé","phonetic":"zo.e"},{"kind":"separator","value":" "},{"kind":"surname","value":"Grande"}],"isOrdered":true,"sortAs":{"surname":"Grande","given":"Zoe"}},
"nicknames":{"k1":{"name":"Zozo","contexts":{"private":true},"pref":2},"NICKNAME-2":{"name":"Z, la"}},
"organizations":{"o":{"name":"Chorale; des Lilas","units":[{"name":"Altos"},{"name":"B"}],"sortAs":"chorale"},"p":{"name":"X","units":[{"name":"U","sortAs":"u"}]}},
"speakToAs":{"grammaticalGender":"feminine","pronouns":{"a":{"pronouns":"elle","pref":1}}},
"titles":{"t":{"name":"Cheffe","kind":"title","organizationId":"o"},"r":{"name":"Voix","kind":"role"}},
"emails":{"e1":{"address":"zoe@example.test","contexts":{"work":true,"example.com:club":true},"pref":1,"label":"Club; été"},"e2":{"address":"z2@example.test","example.com:x":{"a":[1,2]}},"e3":{"address":""}},
"onlineServices":{"s1":{"service":"Mastodon","uri":"https://m.test/@z","user":"z"},"s2":{"service":"Deux Mots","user":"zz"},"s3":{"uri":"xmpp:z@example.test","vCardName":"impp","service":"Jabber"},"s4":{"service":"alone"}},
"phones":{"p1":{"number":"06 12","features":{"mobile":true,"text":true}},"p2":{"number":"tel:+33-1;ext=5","features":{"fax":true,"example.com:f":true},"contexts":{"private":true}}},
"preferredLanguages":{"l1":{"language":"fr","pref":1}},
"calendars":{"c1":{"kind":"calendar","uri":"https://c.test/a,b;c"},"c2":{"kind":"freeBusy","uri":"https://c.test/f"}},"schedulingAddresses":{"x":{"uri":"mailto:z@example.test"}},
"addresses":{"a1":{"components":[{"kind":"number","value":"12"},{"kind":"name","value":"rue Haute, nord"},{"kind":"floor","value":"3"},{"kind":"locality","value":"Orléans"},{"kind":"country","value":"France"}],"countryCode":"FR","full":"12 rue Haute\nOrléans","coordinates":"geo:1,2","timeZone":"Europe/Paris","contexts":{"delivery":true}},
  "a2":{"components":[{"kind":"name","value":"A"},{"kind":"locality","value":"B"}]}},
"cryptoKeys":{"k":{"uri":"data:application/pgp-keys;base64,AAAA","mediaType":"application/pgp-keys"},"k2":{"uri":"https://k.test"}},
"directories":{"d1":{"kind":"entry","uri":"https://d.test"},"d2":{"kind":"directory","uri":"ldap://d","listAs":1}},
"links":{"w1":{"uri":"https://w.test","kind":"contact"},"w2":{"uri":"https://w2.test","mediaType":"text/html","label":"Blog"},"w3":{"uri":"https://w3.test","kind":"example"}},
"media":{"m1":{"kind":"photo","uri":"data:image/png;base64,AAAA","mediaType":"image/png","pref":1},"m2":{"kind":"logo","uri":"https://l.test/l.png"},"m3":{"kind":"sound","uri":"data:audio/ogg;base64,BBBB","mediaType":"audio/ogg"}},
"localizations":{"en":{"name/full":"Zoe"}},
"anniversaries":{"b":{"kind":"birth","date":{"year":1985,"month":4,"day":12},"place":{"full":"Tours"}},"w":{"kind":"wedding","date":{"month":7,"day":3}},"d":{"kind":"death","date":{"year":2070},"place":{"coordinates":"geo:1,2"}},"x":{"kind":"example","date":{"@type":"Timestamp","utc":"2020-01-01T01:02:03Z"}},"b2":{"kind":"birth","date":{"year":1986}}},
"keywords":{"a,b":true,"c;d":true},"notes":{"n1":{"note":"Un\ndeux; trois, \\ quatre","created":"2026-01-01T00:00:00Z","author":{"name":"Ann \"A\" B","uri":"mailto:ann@example.test"}},"n2":{"note":"x"}},
"personalInfo":{"i1":{"kind":"expertise","value":"chant","level":"high","listAs":2},"i2":{"kind":"hobby","value":"thé","level":"medium"},"i3":{"kind":"example","value":"v"}},
"example.com:colour":{"r":1,"deep":[{"x":null}]},
"vCardProps":[["x-foo",{"group":"g1","type":["a","b"],"x-p":"q r"},"unknown","raw\\,value;x"],["gender",{},"unknown","F"]]}`

func TestThereAndBackNothingIsLost(t *testing.T) {
	for _, v := range []vcard.Version{vcard.Three, vcard.Four} {
		t.Run(string(v), func(t *testing.T) {
			var card map[string]any
			if err := json.Unmarshal([]byte(everything), &card); err != nil {
				t.Fatal(err)
			}
			if err := contact.Check(card); err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := vcard.Write(&b, card, "", v); err != nil {
				t.Fatal(err)
			}
			for line := range strings.SplitSeq(b.String(), "\r\n") {
				if len(line) > 75 || strings.ContainsAny(line, "\r\n") {
					t.Errorf("a line of %d octets: %q", len(line), line)
				}
			}
			list, bad := readAll(t, b.String())
			if len(list) != 1 || len(bad) > 0 {
				t.Fatal(list, bad)
			}
			got, want := plain(list[0]).(map[string]any), plain(card).(map[string]any)
			for name := range want {
				if !reflect.DeepEqual(got[name], want[name]) {
					t.Errorf("%s is\n%s\nwas\n%s", name, show(got[name]), show(want[name]))
				}
			}
			for name := range got {
				if want[name] == nil {
					t.Errorf("%s came: %s", name, show(got[name]))
				}
			}
			if t.Failed() {
				t.Log(b.String())
			}
		})
	}
}

func TestACardCannotWriteLinesOfItsOwn(t *testing.T) {
	evil := "x\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:Evil\r\n"
	raw, _ := json.Marshal(evil)
	e := string(raw)
	var card map[string]any
	if err := json.Unmarshal([]byte(`{"version":"1.0","uid":`+e+`,"kind":`+e+`,"language":`+e+`,"name":{"full":`+e+`},"emails":{"e":{"address":`+e+`,"label":`+e+`,"contexts":{`+e+`:true},
		"vCardParams":{`+e+`:`+e+`,"group":`+e+`,"type":`+e+`}}},"links":{"l":{"uri":`+e+`,"mediaType":`+e+`}},"media":{"m":{"kind":"photo","uri":"data:image/png;base64,\r\nEND:VCARD","mediaType":`+e+`}},
		"phones":{"p":{"number":"1","features":{`+e+`:true}}},"relatedTo":{`+e+`:{"relation":{`+e+`:true}}},"members":{`+e+`:true},"keywords":{`+e+`:true},"onlineServices":{"s":{"service":`+e+`,"uri":`+e+`}},
		"addresses":{"a":{"full":`+e+`,"countryCode":`+e+`,"timeZone":`+e+`}},"titles":{"t":{"name":`+e+`}},`+e+`:`+e+`,
		"vCardProps":[[`+e+`,{},"text","v"],["x-a",{`+e+`:`+e+`},`+e+`,`+e+`],["x-b",{},"unknown",`+e+`],["begin",{},"text","VCARD"]]}`), &card); err != nil {
		t.Fatal(err)
	}
	for _, v := range []vcard.Version{vcard.Three, vcard.Four} {
		var b bytes.Buffer
		if err := vcard.Write(&b, card, evil, v); err != nil {
			t.Fatal(err)
		}
		list, bad := readAll(t, b.String())
		if len(list) != 1 || len(bad) > 0 || strings.Count(b.String(), "\r\nEND:VCARD") != 1 {
			t.Errorf("%d cards, %v\n%s", len(list), bad, b.String())
		}
	}
}

// FuzzRead reads whatever there is, and what was read once stays as it is.
func FuzzRead(f *testing.F) {
	f.Add([]byte("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Zoé\r\nN:A,B;C;;;;B;\r\nitem1.TEL;TYPE=\"home,cell\":1\r\nitem1.X-ABLabel:x\r\nADR;LABEL=x:;1;2;3;4;5;6\r\nEND:VCARD\r\n"))
	f.Add([]byte("BEGIN:VCARD\nNOTE;ENCODING=QUOTED-PRINTABLE:a=\nb=C3=A9\nBDAY:1604-01-02\nGEO:1;2\nLABEL;HOME:x\nJSPROP;JSPTR=a/b:{\"x\":1}\nPHOTO;BASE64:AAAA\nEND:VCARD"))
	f.Add([]byte("BEGIN:VCARD\nRELATED:x\nX-ABDATE:2001-01-01\nIMPP:a:b\nCATEGORIES:a,b\nORG:;;x\nMEMBER:x\nKIND:group\nEND:VCARD"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, _ := readAll(t, string(data))
		for _, card := range list {
			// JSPROP may say anything; all else makes a card.
			if err := contact.Check(card); err != nil && !bytes.Contains(bytes.ToUpper(data), []byte("JSPROP")) {
				t.Fatalf("%v\n%s", err, show(card))
			}
			for _, v := range []vcard.Version{vcard.Three, vcard.Four} {
				var b bytes.Buffer
				if err := vcard.Write(&b, card, contact.Title(card), v); err != nil {
					t.Fatal(err)
				}
				again, bad := readAll(t, b.String())
				if len(again) != 1 || len(bad) > 0 {
					t.Fatalf("%d cards, %v, of %s\n%q", len(again), bad, v, b.String())
				}
				var c bytes.Buffer
				if err := vcard.Write(&c, again[0], contact.Title(again[0]), v); err != nil {
					t.Fatal(err)
				}
				third, _ := readAll(t, c.String())
				if len(third) != 1 || !reflect.DeepEqual(plain(third[0]), plain(again[0])) {
					t.Fatalf("%s is not the same the second time\n%q\n%q\n%s\n%s", v, b.String(), c.String(), show(again), show(third))
				}
			}
		}
	})
}
