// Swagger UI for the document of the service whose page this is.
import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js';
import 'swagger-ui-dist/swagger-ui.css';
import './docs.css';

// Swagger UI has a dark theme but only its own top bar, which is of no use here, turns it on.
const dark = matchMedia('(prefers-color-scheme: dark)');
const theme = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', theme);
theme();

SwaggerUI({
  // Beside the page, which a proxy may have put below a path of its own.
  url: location.pathname.replace(/docs\/?$/, 'openapi.json'),
  domNode: document.getElementById('docs'),
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  // The validator is a foreign host.
  validatorUrl: null,
});
