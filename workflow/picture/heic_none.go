//go:build !nodynamic

package picture

import (
	"errors"
	"image"
	"io"
)

// decodeHEIC needs libvips, or a build with the tag nodynamic. Without that tag
// the WebAssembly decoder's package would load the system's libheif into our own
// process, where a stranger's file must not meet C code, and make the server
// depend on the system's loader.
func decodeHEIC(io.Reader) (image.Image, error) {
	return nil, errors.New("no decoder for HEIC in this build")
}
