//go:build nodynamic

package picture

import (
	"image"
	"io"

	"github.com/gen2brain/heic"
)

// decodeHEIC runs libheif inside a WebAssembly sandbox.
func decodeHEIC(r io.Reader) (image.Image, error) { return heic.Decode(r) }
