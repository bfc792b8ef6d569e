import { speak } from '../i18n';

// What is said around the page of a message.
export const { t, count } = speak({
  fr: {
    remote: ['{n} image distante n’est pas chargée\u00a0: son expéditeur ne saura pas que vous lisez.', '{n} images distantes ne sont pas chargées\u00a0: leur expéditeur ne saura pas que vous lisez.'],
    show: 'Montrer', always: 'Toujours pour {who}', shownAlways: 'Les images de {who} sont toujours montrées.', ask: 'Ne plus les montrer',
    trackers: ['{n} mouchard écarté ({where}).', '{n} mouchards écartés ({where}).'],
    misled: 'Un lien de ce message dit «\u00a0{shown}\u00a0» et mène à «\u00a0{leads}\u00a0». N’y donnez aucun mot de passe.',
    alarm: 'Quelque chose d’inattendu a été enlevé de ce message. Les personnes qui s’occupent de ce serveur en sont averties.',
    failed: 'Cela n’a pas été retenu. Essayez encore une fois.', print: 'Imprimer ce message', cut: 'Le message est long\u00a0; le début seul est montré.',
    look: 'Voir {name}', open: 'Ouvrir {name} dans un nouvel onglet', download: 'Télécharger', attachment: 'pièce jointe', close: 'Fermer', loading: 'Un instant…', unread: 'Ce fichier ne peut pas être montré. Vous pouvez le télécharger.',
  },
  en: {
    remote: ['{n} picture from elsewhere is not loaded: its sender will not know that you read this.', '{n} pictures from elsewhere are not loaded: their sender will not know that you read this.'],
    show: 'Show', always: 'Always for {who}', shownAlways: 'Pictures from {who} are always shown.', ask: 'Do not show them any more',
    trackers: ['{n} tracker kept out ({where}).', '{n} trackers kept out ({where}).'],
    misled: 'A link in this message says “{shown}” and leads to “{leads}”. Give it no password.',
    alarm: 'Something unexpected was taken out of this message. The people who run this server have been told.',
    failed: 'That was not kept. Please try again.', print: 'Print this message', cut: 'The message is long; only its beginning is shown.',
    look: 'View {name}', open: 'Open {name} in a new tab', download: 'Download', attachment: 'attachment', close: 'Close', loading: 'One moment…', unread: 'This file cannot be shown. You can download it.',
  },
});
