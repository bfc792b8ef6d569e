package share

import (
	"net/http"

	"colporteur/webgateway/page"
)

// sealed is the page of a transfer whose files were sealed in the browser: the
// page's script opens them there, with the key that stands in the fragment of
// the address and never comes here. Nothing is shown of what is in them.
func (s *Share) sealed(w http.ResponseWriter, v page.View) error {
	v.Script = "sealed"
	return s.Pages.Write(w, http.StatusOK, "sealed.html", v)
}
