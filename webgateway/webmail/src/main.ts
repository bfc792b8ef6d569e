import { mount } from 'svelte';
import App from './App.svelte';
import { install } from './offline/worker';
import './style/tokens.css';
import './style/app.css';

mount(App, { target: document.getElementById('app')! });
void install();
