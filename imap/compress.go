package imap

var compressCommands = commands{}
var compressCapabilities = []string{}
