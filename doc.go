// Package colporteur holds nothing but the test of the house's arrows; see
// ARCHITECTURE.md for where things are.
package colporteur
