package office

import (
	"reflect"
	"testing"
)

func TestAHouseTextHasParagraphsListsAndAddressesAndNothingElse(t *testing.T) {
	t.Parallel()
	got := Blocks("# Bonjour\nVoici https://asso.test/a, lisez.\nEncore\n\n- un\n- deux\n\n<script>x</script> javascript:alert(1)\n")
	want := []Block{
		{Heading: "Bonjour"},
		{Lines: [][]Span{{{Text: "Voici "}, {"https://asso.test/a", "https://asso.test/a"}, {Text: ", lisez."}}, {{Text: "Encore"}}}},
		{Items: [][]Span{{{Text: "un"}}, {{Text: "deux"}}}},
		{Lines: [][]Span{{{Text: "<script>x</script> javascript:alert(1)"}}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}
