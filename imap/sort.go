package imap

var sortCommands = commands{}
var sortCapabilities = []string{}
