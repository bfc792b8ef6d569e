import { speak } from '../i18n';

export const { t } = speak({
  fr: {
    me: 'Moi', contacts: 'Contacts', contactsAbout: 'Les personnes à qui vous écrivez.', account: 'Mon compte', accountAbout: 'Mot de passe, place occupée, nouvelles, appareils connectés, export.',
    devices: 'Téléphone, tablette, programme de courrier', devicesAbout: 'Comment y recevoir ce courrier.', size: 'Taille du texte', normal: 'Normale', large: 'Grande', larger: 'Plus grande', largest: 'Très grande', signOut: 'Se déconnecter',
    offline: 'Sans connexion', keep: 'Garder les trente derniers jours sur cet appareil', keepAbout: 'Pour lire et ranger ce courrier dans le train. À choisir sur un appareil qui n’est qu’à vous. La copie s’efface quand vous vous déconnectez ; les pièces jointes n’en font pas partie.', keeping: 'Un instant…', kept: 'La copie est à jour.',
  },
  en: {
    me: 'Me', contacts: 'Contacts', contactsAbout: 'The people you write to.', account: 'My account', accountAbout: 'Password, space used, news, signed-in devices, export.',
    devices: 'Phone, tablet, mail program', devicesAbout: 'How to receive this mail there.', size: 'Size of the text', normal: 'Normal', large: 'Large', larger: 'Larger', largest: 'Very large', signOut: 'Sign out',
    offline: 'Without a connection', keep: 'Keep the last thirty days on this device', keepAbout: 'To read and tidy this mail on the train. Choose it on a device that is yours alone. The copy goes when you sign out; attachments are not part of it.', keeping: 'One moment…', kept: 'The copy is up to date.',
  },
});
