package imap

var metadataCommands = commands{}
var metadataCapabilities = []string{}
