// A file of its own, because the page's content security policy allows no inline scripts.
SwaggerUIBundle({ url: "doc.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null, tryItOutEnabled: true, defaultModelsExpandDepth: 0 });
