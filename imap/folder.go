package imap

var folderCommands = commands{}
var folderCapabilities = []string{}
